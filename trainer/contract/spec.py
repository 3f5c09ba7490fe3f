"""A training job: what a client may ask (`TrainSpec`) and what will be done (`ResolvedSpec`)."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from trainer.contract import archs
from trainer.contract.archs import Network, Shortcut, Stem, Stride
from trainer.contract.asked import Asked, Batched
from trainer.contract.evaluation import Protocol
from trainer.contract.family import Family
from trainer.contract.names import Name
from trainer.contract.recipes import Recipe, RecipeFields

Epochs = Annotated[int, Field(ge=1, le=100_000)]


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


class KeepCheckpoints(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Checkpoints that stay, of all attempts together: those that are in either."""

    best: int = Field(default=1, ge=1, le=100)
    """So many with the lowest validation top-1 error."""
    last: int = Field(default=2, ge=1, le=1000)
    """So many newest ones. The second is for the case that the newest is damaged."""


class EarlyStopping(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Ends a training, successfully, that gets no better on the validation images."""

    metric: Literal["top1_error", "top5_error", "loss"] = "top1_error"
    """On the validation images; lower is better."""
    patience: int = Field(default=10, ge=1, le=100_000)
    """Validations in a row, each an epoch, without a better one."""
    min_change: float = Field(default=0.0, ge=0, le=100)
    """By how much a value has to be lower than the best before it to count as better: percentage points
    of an error, nats of the loss."""


class CheckpointRef(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A checkpoint of a job."""

    job: Name
    """The job's id."""
    step: int = Field(ge=1)
    """One of `GET /jobs/{id}/checkpoints`."""


class StartFrom(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Whose weights a training begins with (fine-tuning): one of the three. The network has to be the same;
    where the classes are others its classifier begins anew."""

    model: Name | None = None
    """A registered model."""
    version: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Of `model`. Default: the newest."""
    job: Name | None = None
    """A job's id: its best checkpoint, as far as it has come."""
    checkpoint: CheckpointRef | None = None
    """A certain checkpoint of a job."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "StartFrom":
        if sum(each is not None for each in (self.model, self.job, self.checkpoint)) != 1:
            raise ValueError("give either 'model', 'job' or 'checkpoint'")
        if self.version is not None and self.model is None:
            raise ValueError("'version' belongs to 'model'")
        return self


class ResolvedStart(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Weights, and where they lie."""

    name: str
    """Whose they are, in words."""
    prefix: str
    """In the object store."""
    classifier: bool
    """Whether the last layer is theirs too: they know the same classes."""


class TrainFields(Asked, frozen=True, extra="forbid"):
    """What can be said of a training, or of all trials of a sweep."""

    arch: str | None = Field(default=None, max_length=64, examples=["resnet20"])
    """A name of `GET /archs`, or 'resnet' or 'plain' with `depth`."""
    dataset: Name | None = Field(default=None, examples=["fashion-mnist-mini"])
    """A name of `GET /datasets`."""
    depth: int | None = Field(default=None, ge=1, le=10_000)
    """Weighted layers, where `arch` does not say: 18, 34, 50, 101, 152, or 6n+2 in the CIFAR family."""
    family: Family | None = None
    """Default: imagenet for 18, 34, 50, 101 and 152 layers, else cifar."""
    shortcut: Shortcut | None = None
    """Default: B in the ImageNet family, A in the CIFAR family."""
    stride: Stride = "v1"
    """Where a bottleneck halves the image: v1 in its first 1×1 as in the paper, v1.5 in its 3×3."""
    stem: Stem | None = None
    """Of the ImageNet family: the paper's 7×7/2 and max-pool, or small, one 3×3 of stride 1. Default:
    small for images of 64 pixels and less."""
    input_size: int | None = Field(default=None, ge=8, le=1024)
    """Side in pixels that images are resized to. Default: the data set's own."""
    epochs: Epochs | None = None
    """Passes over the training images. Default: the recipe's length."""
    iterations: int | None = Field(default=None, ge=1, le=100_000_000)
    """Optimizer steps, instead of `epochs`."""
    recipe: RecipeFields = RecipeFields()
    """A recipe's name, or its fields."""
    holdout: int = Field(default=0, ge=0, le=100_000_000)
    """Training images that are kept back and validated on, instead of the data set's validation
    images: the paper's 45k/5k split of CIFAR-10 is 5000."""
    protocol: Protocol = "center"
    """How the validation images are shown to the network after the last step; all other validations
    use the one centre view."""
    checkpoint_activations: bool = False
    """Compute each block's activations again in the backward pass instead of keeping them: less memory
    for one more forward pass a step, the same gradients."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Of the initial weights, the order of the images and their augmentation."""
    start_from: StartFrom | None = None
    """Whose weights it begins with. Default: random ones."""
    checkpoint_every: CheckpointEvery = CheckpointEvery(epochs=1)
    """Distance between checkpoints."""
    keep_checkpoints: KeepCheckpoints = KeepCheckpoints()
    """How many of them stay."""
    early_stopping: EarlyStopping | None = None
    """When to end before the last step. Default: never."""
    register_as: Name | None = None
    """Model name under which the best checkpoint is registered when the job succeeds."""

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe_by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.iterations is not None:
            raise ValueError("give either 'epochs' or 'iterations', not both")
        return self


class TrainSpec(TrainFields, frozen=True, extra="forbid"):
    """The body of `POST /jobs` for a training."""

    kind: Literal["train"] = "train"
    """What the job does."""
    arch: str = Field(max_length=64, examples=["resnet20"])
    """A name of `GET /archs`, or 'resnet' or 'plain' with `depth`."""
    dataset: Name = Field(examples=["fashion-mnist-mini"])
    """A name of `GET /datasets`."""


class ResolvedSpec(Batched, frozen=True, extra="forbid"):
    """A `TrainSpec` with nothing left to decide: what a job shows and what an attempt obeys."""

    kind: Literal["train"]
    arch: str
    depth: int
    family: Family
    shortcut: Shortcut | None
    stride: Stride
    stem: Stem = "paper"
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
    holdout: int = 0
    """Training images that are validated on instead of trained on."""
    protocol: Protocol = "center"
    accumulation: int
    """Backward passes that a worker adds up for one optimizer step. 1 is its whole share at once; an
    elastic job with fewer workers takes more."""
    checkpoint_activations: bool = False
    seed: int
    start_from: ResolvedStart | None = None
    checkpoint_steps: int
    """Optimizer steps between checkpoints."""
    keep_checkpoints: KeepCheckpoints = KeepCheckpoints()
    early_stopping: EarlyStopping | None = None
    register_as: Name | None

    @property
    def network(self) -> Network:
        return archs.resolve(
            self.arch,
            depth=self.depth,
            family=self.family,
            shortcut=self.shortcut,
            stride=self.stride,
            stem=self.stem,
        )
