"""Training recipes as data. A job names one and may override any field of it."""

from typing import Literal, NamedTuple

from pydantic import BaseModel, Field, model_validator

Precision = Literal["auto", "fp32", "bf16"]
"""auto: bf16 autocast where the device computes it natively, else fp32."""

Schedule = Literal["steps", "plateau", "cosine"]
"""steps: times gamma at each milestone. plateau: times gamma when the validation error has stopped
falling. cosine: half a cosine down to zero."""

DEEP = 110
"""Layers from which on a recipe's `deep` fields hold (section 4.2: "slightly too large to start")."""


class RecipeFields(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What a recipe says. In a request every field is optional and overrides the named recipe."""

    name: Literal["default", "paper-cifar", "paper-imagenet"] = "default"
    """Recipe that the other fields override."""
    learning_rate: float | None = Field(default=None, gt=0, le=100)
    """Of SGD, for the whole batch."""
    momentum: float | None = Field(default=None, ge=0, lt=1)
    """Of SGD."""
    nesterov: bool | None = None
    """Nesterov's momentum instead of the classical one."""
    weight_decay: float | None = Field(default=None, ge=0, le=1)
    """On convolutions and fully connected layers."""
    decay_norm_and_bias: bool | None = None
    """Whether weight decay is on batch normalisation and biases as well, as the paper does."""
    zero_init: bool | None = None
    """Start the last batch normalisation of each residual block at zero, so that blocks begin as
    their shortcuts. Not in the paper."""
    schedule: Schedule | None = None
    """How the learning rate falls: by steps, on a plateau of the validation error, or as a cosine."""
    milestones: tuple[float, ...] | None = Field(default=None, max_length=16)
    """Of the schedule steps: fractions of the run, ascending in (0, 1)."""
    gamma: float | None = Field(default=None, gt=0, le=1)
    """Factor on the learning rate at each milestone or plateau."""
    plateau_epochs: int | None = Field(default=None, ge=1, le=10_000)
    """Of the schedule plateau: epochs without a new lowest validation error until the rate falls."""
    plateau_margin: float | None = Field(default=None, ge=0, le=100)
    """Of the schedule plateau: percentage points by which an error must be lower to count."""
    warmup_epochs: float | None = Field(default=None, ge=0, le=1000)
    """Epochs over which the learning rate rises linearly to its full value."""
    start_rate: float | None = Field(default=None, gt=0, le=100)
    """Learning rate until the training error has fallen below `start_error`."""
    start_error: float | None = Field(default=None, ge=0, le=100)
    """Percent, over blocks of 50 steps. 0 is no such start."""
    label_smoothing: float | None = Field(default=None, ge=0, lt=1)
    """Probability that is spread over all classes; in the training loss only."""
    ema_decay: float | None = Field(default=None, ge=0, lt=1)
    """Of the moving average of the weights that is then evaluated, kept and served; 0 is none."""
    crop_padding: int | None = Field(default=None, ge=0, le=64)
    """Zero pixels on each side before the random crop."""
    flip: bool | None = None
    """Mirror half of the training images. By default not where it changes an image's meaning."""
    shorter_side: tuple[int, int] | None = None
    """Scale jitter: the least and the greatest side in pixels that an image, prepared for the network, is
    enlarged to before a crop of 224; in proportion for other input sizes. [224, 224] is none."""
    colour_noise: float | None = Field(default=None, ge=0, le=10)
    """PCA colour augmentation: standard deviation of each principal component's factor, with eigenvalues
    of pixels in 0 … 1 (AlexNet's is 0.1); 0 is none."""
    mixup: float | None = Field(default=None, ge=0, le=10)
    """Alpha of the Beta distribution that two images are mixed by; 0 is none. With cutmix also on,
    each step draws one of the two."""
    cutmix: float | None = Field(default=None, ge=0, le=10)
    """Alpha of the Beta distribution of the part that is pasted from another image; 0 is none."""
    progressive_from: float | None = Field(default=None, gt=0, le=1)
    """Side of the first steps' images over the input size; it grows to 1 over the first three
    quarters of the run. 1 is none."""
    precision: Precision | None = None
    """auto: bf16 autocast where the device computes it natively, else fp32."""
    channels_last: bool | None = None
    """Memory format of the network and its input."""

    @model_validator(mode="after")
    def _milestones_ascend(self) -> "RecipeFields":
        marks = self.milestones or ()
        if list(marks) != sorted(set(marks)) or any(not 0 < mark < 1 for mark in marks):
            raise ValueError(
                "milestones must ascend, each between 0 and 1, for example [0.5, 0.75]"
            )
        return self

    @model_validator(mode="after")
    def _shorter_side_is_a_range(self) -> "RecipeFields":
        if self.shorter_side and not 224 <= self.shorter_side[0] <= self.shorter_side[1] <= 2240:
            raise ValueError(
                "shorter_side is a range from 224 to 2240 at most, for example [256, 480]"
            )
        return self


class Recipe(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A recipe with every field decided; `RecipeFields` documents them."""

    name: str
    learning_rate: float
    momentum: float
    nesterov: bool = False
    weight_decay: float
    decay_norm_and_bias: bool = True
    zero_init: bool = False
    schedule: Schedule = "steps"
    milestones: tuple[float, ...]
    gamma: float
    plateau_epochs: int = 10
    plateau_margin: float = 0.0
    warmup_epochs: float
    start_rate: float = 0.01
    start_error: float = 0.0
    label_smoothing: float = 0.0
    ema_decay: float = 0.0
    crop_padding: int
    flip: bool
    shorter_side: tuple[int, int] = (224, 224)
    colour_noise: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    progressive_from: float = 1.0
    precision: Precision
    channels_last: bool


class Length(BaseModel, frozen=True, use_attribute_docstrings=True):
    """How long a recipe trains and with how many images a step, where the job does not say."""

    batch_size: int
    epochs: int | None = None
    iterations: int | None = None


class Named(NamedTuple):
    """A recipe of this file."""

    recipe: Recipe
    length: Length
    deep: dict[str, float] = {}  # noqa: RUF012 - never written to
    """Fields that differ for networks of `DEEP` layers and more."""
    unnormalised: dict[str, float] = {"learning_rate": 0.01}  # noqa: RUF012 - as above
    """Fields that differ for networks without batch normalisation: at 0.1 they diverge. VGG and
    PReLU-net began at 0.01."""


# Section 4.2 of the paper, at its full length whatever the data set.
_CIFAR = Recipe(
    name="paper-cifar",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=1e-4,
    milestones=(0.5, 0.75),  # 32k and 48k of 64k iterations
    gamma=0.1,
    warmup_epochs=0,
    crop_padding=4,
    flip=True,
    precision="auto",
    channels_last=True,
)

# Section 3.4. The paper does not say what a plateau is.
_IMAGENET = _CIFAR.model_copy(
    update={
        "name": "paper-imagenet",
        "schedule": "plateau",
        "crop_padding": 0,
        "shorter_side": (256, 480),
        "colour_noise": 0.1,
    }
)

# Short, and for data sets of any size: what came after the paper and helps.
_DEFAULT = _CIFAR.model_copy(
    update={
        "name": "default",
        "nesterov": True,
        "weight_decay": 5e-4,
        "decay_norm_and_bias": False,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "label_smoothing": 0.1,
        "ema_decay": 0.999,
    }
)

RECIPES: dict[str, Named] = {
    "paper-cifar": Named(
        _CIFAR,
        Length(batch_size=128, iterations=64_000),
        deep={"start_error": 80.0},
    ),
    "paper-imagenet": Named(_IMAGENET, Length(batch_size=256, iterations=600_000)),
    "default": Named(_DEFAULT, Length(batch_size=128, epochs=30)),
}


def growing_side(fraction: float, input_size: int) -> int:
    """Side in pixels of progressive images that have come to `fraction` of `input_size`.

    A multiple of 4, so that two stages of stride 2 halve it evenly, and at least 8.
    """
    return min(max(round(fraction * input_size / 4) * 4, 8), input_size)


def complete(fields: RecipeFields, *, flip: bool, depth: int, normalised: bool = True) -> Recipe:
    """The recipe that `fields` name for a network of `depth` layers, with their overrides; `flip`:
    whether mirroring is harmless; `normalised`: whether the network has batch normalisation."""
    named = RECIPES[fields.name]
    said = fields.model_dump(exclude_none=True, exclude={"name"})
    deep = named.deep if depth >= DEEP else {}
    tamed = {} if normalised else named.unnormalised
    return named.recipe.model_copy(
        update={"flip": named.recipe.flip and flip} | deep | tamed | said
    )
