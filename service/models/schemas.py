"""What the registry's routes take and give."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.http.example import example
from service.models import examples
from service.models.service import Model
from service.models.store import ModelVersion
from trainer.contract.archs import Network
from trainer.contract.attempts import MetricPoint
from trainer.contract.checkpoints import Imported
from trainer.contract.names import Name
from trainer.contract.transform import Transform

Number = Annotated[int, Field(ge=1, le=2**31 - 1, examples=[1])]
"""Of a version or a step, as the database holds it."""


class RegisterIn(BaseModel):
    """Make a new version of a model from a job's checkpoint."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"name": "fashion", "job": "job-01kaz3v9c8"}]},
    )

    name: Name
    """Of the model; it is made with its first version."""
    job: str = Field(max_length=64)
    """Id of the job."""
    checkpoint: Number | None = None
    """Step of the checkpoint. Default: the job's best one."""


class AliasIn(BaseModel):
    """Let an alias mean a version."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 2}]})

    version: Number


class VersionOut(BaseModel, use_attribute_docstrings=True):
    """An immutable version: what it is, and where it came from."""

    version: int
    job: str | None
    """Id of the job that trained it; null if it was imported."""
    imported: Imported | None
    """The file it was imported from; null if a job trained it."""
    attempt: int
    """Of the job; 0 if it was imported, as `step` and `epoch` are."""
    step: int
    epoch: int
    dataset: str | None
    """That it was trained on; null if it was imported."""
    dataset_fingerprint: str | None
    """SHA-256 over the images and labels of all splits."""
    arch: str
    architecture: Network
    metrics: MetricPoint | None
    """On the validation images."""
    class_names: tuple[str, ...]
    """In the order of the network's outputs."""
    transform: Transform
    """What is done to an image before the network sees it."""
    preprocessing: str
    """Digest of `transform`; every answer of POST /predict carries it."""
    versions: dict[str, str]
    """Of the programs that trained or imported it."""
    seed: int | None
    created_at: datetime

    @classmethod
    def of(cls, made: ModelVersion) -> "VersionOut":
        meta = made.meta
        return cls(
            version=made.version,
            job=meta.job_id,
            imported=meta.imported,
            attempt=meta.attempt,
            step=meta.step,
            epoch=meta.epoch,
            dataset=meta.dataset,
            dataset_fingerprint=meta.dataset_fingerprint,
            arch=meta.architecture.name,
            architecture=meta.architecture,
            metrics=meta.metrics,
            class_names=meta.class_names,
            transform=meta.transform,
            preprocessing=meta.transform.digest,
            versions=meta.versions,
            seed=meta.seed,
            created_at=made.created_at,
        )


class RegisteredOut(VersionOut):
    """A version with the name of its model."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: RegisteredOut.of(examples.version()))
    )

    name: str
    links: dict[str, str]

    @classmethod
    def of(cls, made: ModelVersion) -> "RegisteredOut":
        return cls(
            name=made.name,
            links=links(made.name),
            **VersionOut.of(made).model_dump(),
        )


class ModelSummary(BaseModel):
    """A model in the list: its newest version and its aliases."""

    name: str
    newest: VersionOut
    aliases: dict[str, int]
    links: dict[str, str]

    @classmethod
    def of(cls, model: Model) -> "ModelSummary":
        return cls(
            name=model.name,
            newest=VersionOut.of(model.versions[0]),
            aliases=model.aliases,
            links=links(model.name),
        )


class ModelOut(BaseModel):
    """A model with all its versions, newest first."""

    model_config = ConfigDict(json_schema_extra=example(lambda: ModelOut.of(examples.model())))

    name: str
    versions: list[VersionOut]
    aliases: dict[str, int]
    links: dict[str, str]

    @classmethod
    def of(cls, model: Model) -> "ModelOut":
        return cls(
            name=model.name,
            versions=[VersionOut.of(made) for made in model.versions],
            aliases=model.aliases,
            links=links(model.name),
        )


class ModelsOut(BaseModel):
    """A page of models."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: ModelsOut(items=[ModelSummary.of(examples.model())], next_cursor=None)
        )
    )

    items: list[ModelSummary]
    next_cursor: str | None


def links(name: str) -> dict[str, str]:
    """Where a model's parts are."""
    return {
        "self": f"/models/{name}",
        "deployment": f"/models/{name}/deployment",
        "predict": f"/predict?model={name}",
    }
