"""What the deployment routes take and give."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.deployments.deployment import Actual, Deployment, Desired, Replicas, State
from service.http.example import example
from service.models.schemas import Number, links
from trainer.contract.names import Name

MAX_REPLICAS = 256

_EXAMPLE = Deployment(
    project="default",
    name="fashion",
    desired=Desired(version=1, alias=None, replicas=Replicas(min=1, max=1)),
    target=1,
    serving_version=1,
    actual=Actual(health="running", replicas=1),
    message=None,
    changed_at=datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
)


class ReplicasIn(BaseModel, extra="forbid", use_attribute_docstrings=True):
    """How many processes serve."""

    min: int = Field(default=1, ge=1, le=MAX_REPLICAS)
    """Always."""
    max: int | None = Field(default=None, ge=1, le=MAX_REPLICAS)
    """Under load. Default: as many as `min`."""

    @model_validator(mode="after")
    def _ordered(self) -> "ReplicasIn":
        if self.max is not None and self.max < self.min:
            raise ValueError("'max' must not be less than 'min'")
        return self

    def decided(self) -> Replicas:
        return Replicas(min=self.min, max=self.max or self.min)


class DeploymentIn(BaseModel):
    """Which version is to serve: one by number, or whatever one an alias means."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"version": 1, "replicas": {"min": 1, "max": 2}}]},
    )

    version: Number | None = None
    """Default: the newest."""
    alias: Name | None = None
    """Instead of `version`: the deployment follows the alias when it moves."""
    replicas: ReplicasIn = ReplicasIn()

    @model_validator(mode="after")
    def _one_of_them(self) -> "DeploymentIn":
        if self.version is not None and self.alias is not None:
            raise ValueError("give either 'version' or 'alias', not both")
        return self


class DeploymentOut(BaseModel, use_attribute_docstrings=True):
    """What is to serve, and what does."""

    model_config = ConfigDict(json_schema_extra=example(lambda: DeploymentOut.of(_EXAMPLE)))

    model: str
    desired: Desired
    version: int | None
    """That `desired` means now."""
    state: State
    serving_version: int | None
    """That answers POST /predict now."""
    replicas: int
    """Running ones of the desired version."""
    message: str | None
    """Why the desired version does not serve, when it does not."""
    changed_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, deployment: Deployment) -> "DeploymentOut":
        return cls(
            model=deployment.name,
            desired=deployment.desired,
            version=deployment.target,
            state=deployment.state,
            serving_version=deployment.serving_version,
            replicas=deployment.actual.replicas,
            message=deployment.message,
            changed_at=deployment.changed_at,
            links=links(deployment.name) | {"self": f"/models/{deployment.name}/deployment"},
        )
