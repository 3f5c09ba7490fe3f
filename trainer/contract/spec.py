"""A training job: what a client may ask (`TrainSpec`) and what will be done (`ResolvedSpec`)."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from trainer.contract.archs import Architecture, Family, Shortcut, Stride
from trainer.contract.names import Name
from trainer.contract.recipes import Recipe, RecipeFields

Label = Annotated[str, StringConstraints(max_length=128)]


class CheckpointEvery(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Distance between checkpoints: one of the two."""

    steps: int | None = Field(default=None, ge=1)
    """Optimizer steps."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes over the training images."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "CheckpointEvery":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either 'steps' or 'epochs'")
        return self


class Demand(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an attempt takes from the cluster, all at once."""

    cpus: float
    gpus: float


class TrainSpec(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """The body of `POST /jobs`. A misspelt field is refused, never ignored."""

    kind: Literal["train"] = "train"
    """What the job does."""
    arch: str = Field(max_length=64, examples=["resnet20"])
    """A name of `GET /archs`, or 'resnet' or 'plain' with `depth`."""
    dataset: Name = Field(examples=["fashion-mnist-mini"])
    """A name of `GET /datasets`."""
    depth: int | None = Field(default=None, ge=1, le=10_000)
    """Weighted layers, where `arch` does not say: 18, 34, 50, 101, 152, or 6n+2 in the CIFAR family."""
    family: Family | None = None
    """Default: imagenet for 18, 34, 50, 101 and 152 layers, else cifar."""
    shortcut: Shortcut | None = None
    """Default: B in the ImageNet family, A in the CIFAR family."""
    stride: Stride = "v1"
    """Where a bottleneck halves the image: v1 in its first 1×1 as in the paper, v1.5 in its 3×3."""
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    """Passes over the training images. Default: the recipe's length."""
    iterations: int | None = Field(default=None, ge=1, le=100_000_000)
    """Optimizer steps, instead of `epochs`."""
    recipe: RecipeFields = RecipeFields()
    """A recipe's name, or its fields."""
    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    """Images per optimizer step, over all workers."""
    workers: int | None = Field(default=None, ge=1, le=4096)
    """DDP processes. Default: one a GPU of the cluster, or 2 on CPUs."""
    cpus_per_worker: float | None = Field(default=None, gt=0, le=1024)
    """CPUs that each worker reserves, and threads it computes with. Default: 1."""
    gpus_per_worker: float | None = Field(default=None, ge=0, le=64)
    """GPUs that each worker reserves. Default: 1 where the cluster has any, else 0."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the initial weights, the order of the images and their augmentation."""
    max_retries: int = Field(default=3, ge=0, le=100)
    """New attempts after a failure that is not the user's."""
    checkpoint_every: CheckpointEvery = CheckpointEvery(epochs=1)
    """Distance between checkpoints."""
    priority: int = Field(default=0, ge=-1000, le=1000)
    """Higher starts first."""
    name: str | None = Field(default=None, max_length=200)
    """Free text."""
    labels: dict[Name, Label] = Field(default={}, max_length=64)
    """Free pairs to find jobs by."""
    register_as: Name | None = None
    """Model name under which the best checkpoint is registered when the job succeeds."""

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe_by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_length(self) -> "TrainSpec":
        if self.epochs is not None and self.iterations is not None:
            raise ValueError("give either 'epochs' or 'iterations', not both")
        return self


class ResolvedSpec(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A `TrainSpec` with nothing left to decide: what a job shows and what an attempt obeys."""

    kind: Literal["train"]
    arch: str
    depth: int
    family: Family
    shortcut: Shortcut | None
    stride: Stride
    dataset: Name
    classes: int
    input_size: int
    """Side in pixels."""
    epochs: int
    """Passes over the training images begun."""
    iterations: int
    """Optimizer steps in all."""
    steps_per_epoch: int
    recipe: Recipe
    batch_size: int
    per_worker_batch: int
    """Images a worker holds at once: the largest share of a step."""
    accumulation: int
    """Backward passes a worker adds up for one optimizer step: 1, its whole share at once."""
    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    seed: int
    max_retries: int
    checkpoint_steps: int
    """Optimizer steps between checkpoints."""
    priority: int
    name: str | None
    labels: dict[Name, Label]
    register_as: Name | None

    @property
    def architecture(self) -> Architecture:
        return Architecture(
            family=self.family, depth=self.depth, shortcut=self.shortcut, stride=self.stride
        )

    @property
    def demand(self) -> Demand:
        return Demand(
            cpus=self.workers * self.cpus_per_worker, gpus=self.workers * self.gpus_per_worker
        )
