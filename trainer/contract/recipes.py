"""Training recipes as data. A job names one and may override any field of it."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

Precision = Literal["auto", "fp32", "bf16"]
"""auto: bf16 autocast where the device computes it natively, else fp32."""


class RecipeFields(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What a recipe says. In a request every field is optional and overrides the named recipe."""

    name: Literal["default", "paper-cifar"] = "default"
    """Recipe that the other fields override."""
    learning_rate: float | None = Field(default=None, gt=0, le=100)
    """Of SGD, for the whole batch."""
    momentum: float | None = Field(default=None, ge=0, lt=1)
    """Of SGD."""
    weight_decay: float | None = Field(default=None, ge=0, le=1)
    """On all parameters, as the paper does."""
    milestones: tuple[float, ...] | None = Field(default=None, max_length=16)
    """Fractions of the run, ascending in (0, 1), at which the learning rate is multiplied by gamma."""
    gamma: float | None = Field(default=None, gt=0, le=1)
    """Factor on the learning rate at each milestone."""
    warmup_epochs: float | None = Field(default=None, ge=0, le=1000)
    """Epochs over which the learning rate rises linearly to its full value."""
    crop_padding: int | None = Field(default=None, ge=0, le=64)
    """Zero pixels on each side before the random crop."""
    flip: bool | None = None
    """Mirror half of the training images. By default not where it changes an image's meaning."""
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


class Recipe(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A recipe with every field decided; `RecipeFields` documents them."""

    name: str
    learning_rate: float
    momentum: float
    weight_decay: float
    milestones: tuple[float, ...]
    gamma: float
    warmup_epochs: float
    crop_padding: int
    flip: bool
    precision: Precision
    channels_last: bool


class Length(BaseModel, frozen=True, use_attribute_docstrings=True):
    """How long a recipe trains and with how many images a step, where the job does not say."""

    batch_size: int
    epochs: int | None = None
    iterations: int | None = None


_PAPER = Recipe(
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

RECIPES: dict[str, tuple[Recipe, Length]] = {
    # Section 4.2 of the paper, at its full length whatever the data set.
    "paper-cifar": (_PAPER, Length(batch_size=128, iterations=64_000)),
    # The same, scaled to the data set: lengths in epochs. The warm-up steadies small data sets.
    "default": (
        _PAPER.model_copy(update={"name": "default", "warmup_epochs": 1}),
        Length(batch_size=128, epochs=30),
    ),
}


def complete(fields: RecipeFields, *, flip: bool) -> Recipe:
    """The recipe that `fields` name, with their overrides; `flip`: whether mirroring is harmless."""
    named, _ = RECIPES[fields.name]
    said = fields.model_dump(exclude_none=True, exclude={"name"})
    return named.model_copy(update={"flip": named.flip and flip} | said)
