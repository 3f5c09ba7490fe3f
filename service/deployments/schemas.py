"""What the deployment routes take and give."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from service.deployments.deployment import (
    Actual,
    Canary,
    CanarySeen,
    CanaryState,
    Deployment,
    Desired,
    Replicas,
    State,
)
from service.deployments.plan import predict_route
from service.http.example import example
from service.models.schemas import Number, links
from trainer.contract.evaluation import ModelRef, Protocol
from trainer.contract.names import Name
from trainer.contract.serving import Member

MAX_REPLICAS = 256
MAX_MEMBERS = 16
"""Of an ensemble: a replica holds all of them."""

Ensemble = Annotated[tuple[ModelRef, ...], Field(min_length=2, max_length=MAX_MEMBERS)]
MakeVersion = Callable[[tuple[ModelRef, ...]], int]
"""From an ensemble's models to its version."""

_EXAMPLE = Deployment(
    project="default",
    name="fashion",
    desired=Desired(
        version=2,
        alias=None,
        replicas=Replicas(min=1, max=2),
        canary=Canary(version=3, percent=10, replicas=Replicas(min=1, max=1)),
    ),
    target=2,
    serving_version=2,
    actual=Actual(health="running", replicas=1),
    message=None,
    changed_at=datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    canary_seen=CanarySeen(version=3, health="running", replicas=1, message=None),
    previous_version=1,
)


class ReplicasIn(BaseModel, extra="forbid", use_attribute_docstrings=True):
    """How many processes serve."""

    min: int = Field(default=1, ge=0, le=MAX_REPLICAS)
    """Always; with 0 there is none while nobody asks, and the first request waits until one has started."""
    max: int | None = Field(default=None, ge=1, le=MAX_REPLICAS)
    """Under load. Default: as many as `min`, but one at least."""
    idle_s: float = Field(default=300, ge=1, le=86_400)
    """Seconds without a request until the last one ends, if `min` is 0."""

    @model_validator(mode="after")
    def _ordered(self) -> "ReplicasIn":
        if self.max is not None and self.max < self.min:
            raise ValueError("'max' must not be less than 'min'")
        return self

    def decided(self) -> Replicas:
        most = self.max or max(self.min, 1)
        return Replicas(min=self.min, max=most, idle_s=self.idle_s)


class CanaryIn(BaseModel, extra="forbid", use_attribute_docstrings=True):
    """A version that is tried on some of the requests, beside the one that serves."""

    version: Number | None = None
    """Or give `ensemble`."""
    ensemble: Ensemble | None = None
    """Instead of `version`: models whose probabilities are averaged."""
    percent: float = Field(ge=0, le=100)
    """Of the requests that ask for no version; 0 starts it and sends it none."""
    replicas: ReplicasIn = ReplicasIn()
    """`min` is 1 at least: one that does not run is given nothing."""

    @field_validator("replicas")
    @classmethod
    def _one_at_least(cls, said: ReplicasIn) -> ReplicasIn:
        if said.min == 0:
            raise ValueError("a canary has one replica at least")
        return said

    @model_validator(mode="after")
    def _one_of_them(self) -> "CanaryIn":
        if (self.version is None) == (self.ensemble is None):
            raise ValueError("give either 'version' or 'ensemble'")
        return self

    def decided(self, number: MakeVersion) -> Canary:
        version = number(self.ensemble) if self.ensemble else self.version
        return Canary(version=version, percent=self.percent, replicas=self.replicas.decided())


class DeploymentIn(BaseModel):
    """Which version is to serve: one by number, whatever one an alias means, or an ensemble of several
    models, which is a version of the name it is deployed under."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"version": 1, "replicas": {"min": 1, "max": 2}},
                {"version": 2, "canary": {"version": 3, "percent": 10}},
                {"ensemble": [{"model": "fashion", "version": 1}, {"model": "other"}]},
            ]
        },
    )

    version: Number | None = None
    """Default: the newest; beside a canary, what is deployed already."""
    alias: Name | None = None
    """Instead of `version`: the deployment follows the alias when it moves."""
    ensemble: Ensemble | None = None
    """Instead of `version`: models whose probabilities are averaged, each after its own preprocessing. They
    must know the same classes. One replica holds all of them."""
    protocol: Protocol = "center"
    """How each image is shown to the network, unless a request says otherwise: center, 10-crop or
    multi-scale."""
    replicas: ReplicasIn = ReplicasIn()
    canary: CanaryIn | None = None
    """Left out, there is none: a canary is promoted by deploying its version."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "DeploymentIn":
        said = [each for each in (self.version, self.alias, self.ensemble) if each is not None]
        if len(said) > 1:
            raise ValueError("give either 'version', 'alias' or 'ensemble', one of them")
        return self

    def decided(self, number: MakeVersion) -> dict[str, Any]:
        """As `Deployments.ask` takes it; `number` makes a version of an ensemble."""
        return {
            "version": number(self.ensemble) if self.ensemble else self.version,
            "alias": self.alias,
            "replicas": self.replicas.decided(),
            "canary": self.canary.decided(number) if self.canary else None,
            "protocol": self.protocol,
        }


class CanaryOut(BaseModel, use_attribute_docstrings=True):
    """A version that is tried, and how that goes."""

    version: int
    ensemble: tuple[Member, ...] | None
    """What it averages, if it is an ensemble."""
    percent: float
    """Of the requests, while it is ready."""
    state: CanaryState
    replicas: int
    """Running ones."""
    message: str | None
    """Why it gets no requests, when it gets none."""

    @classmethod
    def of(cls, deployment: Deployment) -> "CanaryOut | None":
        wanted, state, seen = deployment.canary, deployment.canary_state, deployment.canary_seen
        if wanted is None or state is None:
            return None
        known = seen if seen and seen.version == wanted.version else None
        return cls(
            version=wanted.version,
            ensemble=deployment.ensembles.get(wanted.version),
            percent=wanted.percent,
            state=state,
            replicas=known.replicas if known else 0,
            message=known.message if known else None,
        )


class DeploymentOut(BaseModel, use_attribute_docstrings=True):
    """What is to serve, and what does."""

    model_config = ConfigDict(json_schema_extra=example(lambda: DeploymentOut.of(_EXAMPLE)))

    model: str
    desired: Desired
    version: int | None
    """That `desired` means now."""
    ensemble: tuple[Member, ...] | None
    """What that version averages, if it is an ensemble."""
    state: State
    serving_version: int | None
    """That answers POST /predict now, but for the canary's share."""
    previous_version: int | None
    """That served before; a rollback leads to it."""
    replicas: int
    """Running ones of the desired version."""
    message: str | None
    """Why the desired version does not serve, when it does not."""
    canary: CanaryOut | None
    serve_path: str | None
    """Where Ray Serve's own address takes what POST /predict takes, of the version that serves."""
    changed_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, deployment: Deployment) -> "DeploymentOut":
        key, serving = (deployment.project, deployment.name), deployment.serving_version
        return cls(
            model=deployment.name,
            desired=deployment.desired,
            version=deployment.target,
            ensemble=deployment.ensembles.get(deployment.target or 0),
            state=deployment.state,
            serving_version=deployment.serving_version,
            previous_version=deployment.previous_version,
            replicas=deployment.actual.replicas,
            message=deployment.message,
            canary=CanaryOut.of(deployment),
            serve_path=predict_route(*key, serving) if serving else None,
            changed_at=deployment.changed_at,
            links=links(deployment.name) | {"self": f"/models/{deployment.name}/deployment"},
        )
