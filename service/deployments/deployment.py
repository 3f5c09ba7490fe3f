"""A deployment: which version of a model is to serve, and how far that is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from trainer.contract.evaluation import Protocol
from trainer.contract.serving import Member

Health = Literal["pending", "running", "unhealthy", "failed"]
"""Of the desired version's replicas."""

CanaryState = Literal["starting", "ready", "unhealthy", "failed"]
"""Only a ready canary is given requests."""

State = Literal["starting", "updating", "ready", "idle", "unhealthy", "failed"]
"""starting: nothing serves yet. updating: what was asked for before serves until this is ready.
idle: no replica runs, for nobody asked for a while; the next request starts one, and waits for it.
unhealthy: its replicas are being restarted. failed: the desired version did not start; an older
one, if there is one, goes on serving."""


class Replicas(BaseModel, frozen=True):
    """Processes that serve: `min` always, up to `max` under load."""

    min: int
    max: int
    idle_s: float = 300
    """Seconds without a request until the last one ends, if `min` is 0."""


class Canary(BaseModel, frozen=True):
    """A version that is to answer some of the requests, beside the one that serves."""

    version: int
    percent: float
    """Of the requests, 0 … 100."""
    replicas: Replicas


class Desired(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What was asked for: a version, or whatever version an alias means."""

    version: int | None
    alias: str | None
    replicas: Replicas
    canary: Canary | None = None
    protocol: Protocol = "center"
    """How images are shown to the network, unless a request says otherwise."""
    back_from: int | None = None
    """The version that was rolled back to come to this."""


class Actual(BaseModel, frozen=True):
    """What Ray Serve was last seen doing about it."""

    health: Health
    replicas: int
    """Running ones of the desired version."""


class CanarySeen(Actual, frozen=True):
    """The same of a canary."""

    version: int
    message: str | None
    """Why it gets no requests, when it gets none."""


PENDING = Actual(health="pending", replicas=0)


@dataclass(frozen=True)
class Deployment:
    """A model that is to serve."""

    project: str
    name: str
    desired: Desired
    target: int | None
    """The version that `desired` means now; None if its alias is gone."""
    serving_version: int | None
    """The version that answers now."""
    actual: Actual
    message: str | None
    """Why the target does not serve, when it does not."""
    changed_at: datetime
    """When it was last asked for."""
    canary_seen: CanarySeen | None = None
    """Of the canary, as far as it is the one that is desired."""
    previous_version: int | None = None
    """The version that served before."""
    ensembles: Mapping[int, tuple[Member, ...]] = field(default_factory=dict)
    """What each version averages, if it is an ensemble; empty for a model."""

    @property
    def canary(self) -> Canary | None:
        """That is to run; none when its version is to serve altogether, as an alias may decide."""
        wanted = self.desired.canary
        return None if wanted is None or wanted.version == self.target else wanted

    @property
    def canary_state(self) -> CanaryState | None:
        if self.canary is None:
            return None
        if self.canary_seen is None or self.canary_seen.version != self.canary.version:
            return "starting"
        match self.canary_seen.health:
            case "running":
                return "ready"
            case "pending":
                return "starting"
            case health:
                return health

    @property
    def answering(self) -> tuple[int, ...]:
        """The versions that answer now, first the one that serves."""
        canary = self.canary.version if self.canary and self.canary_state == "ready" else None
        found = dict.fromkeys((self.serving_version, canary))
        return tuple(version for version in found if version is not None)

    def chosen(self, dice: float) -> int | None:
        """Who answers a request: the canary's share of all `dice`, 0 ≤ dice < 1, lead to it. None
        while nothing serves."""
        if self.serving_version and self.canary and self.canary_state == "ready":
            return self.canary.version if dice * 100 < self.canary.percent else self.serving_version
        return self.serving_version

    @property
    def state(self) -> State:
        if self.actual.health in ("failed", "unhealthy"):
            return self.actual.health
        if self.serving_version not in (None, self.target):
            return "updating"
        if self.serving_version is None or not self.actual.replicas:
            idle = self.answering and self.desired.replicas.min == 0
            return "idle" if idle and self.actual.health == "running" else "starting"
        return "ready" if self.actual.health == "running" else "updating"
