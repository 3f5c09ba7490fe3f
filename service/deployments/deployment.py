"""A deployment: which version of a model is to serve, and how far that is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

Health = Literal["pending", "running", "unhealthy", "failed"]
"""Of the desired version's replicas."""

State = Literal["starting", "updating", "ready", "unhealthy", "failed"]
"""starting: nothing serves yet. updating: what was asked for before serves until this is ready.
unhealthy: its replicas are being restarted. failed: the desired version did not start; an older
one, if there is one, goes on serving."""


class Replicas(BaseModel, frozen=True):
    """Processes that serve: `min` always, up to `max` under load."""

    min: int
    max: int


class Desired(BaseModel, frozen=True):
    """What was asked for: a version, or whatever version an alias means."""

    version: int | None
    alias: str | None
    replicas: Replicas


class Actual(BaseModel, frozen=True):
    """What Ray Serve was last seen doing about it."""

    health: Health
    replicas: int
    """Running ones of the desired version."""


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

    @property
    def answering(self) -> tuple[int, ...]:
        """The versions that answer now."""
        return () if self.serving_version is None else (self.serving_version,)

    @property
    def state(self) -> State:
        if self.actual.health in ("failed", "unhealthy"):
            return self.actual.health
        if self.serving_version not in (None, self.target):
            return "updating"
        if self.serving_version is None or not self.actual.replicas:
            return "starting"
        return "ready" if self.actual.health == "running" else "updating"
