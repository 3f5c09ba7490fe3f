"""An evaluation job: what a client may ask (`EvaluateSpec`), what will be done (`ResolvedEvaluation`),
and what came out (`Evaluation`)."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from trainer.contract.asked import Asked, Batched
from trainer.contract.names import Name
from trainer.contract.recipes import Precision

Protocol = Literal["center", "10-crop", "multi-scale"]
"""How an image is shown to a network. center: the validation transform's one view. 10-crop: the four
corners and the centre, and their mirror images, of an image enlarged by 256/224 (AlexNet's, Tables 2
and 3). multi-scale: the whole image and its mirror image at 1, 256/224, 384/224, 480/224 and 640/224 of
the input size, fully convolutional (Table 4). Probabilities are averaged over the views."""

SCALES = (224, 256, 384, 480, 640)
"""Shorter sides of Table 4, for an input of 224."""

MAX_MODELS = 64


def proportional(input_size: int, of_224: int) -> int:
    """The side in pixels that is to `input_size` as `of_224` is to 224."""
    return round(input_size * of_224 / 224)


def view_sides(protocol: Protocol, input_size: int) -> tuple[int, ...]:
    """Side in pixels of each view of an image, for a network that takes `input_size` pixels a side."""
    match protocol:
        case "center":
            return (input_size,)
        case "10-crop":
            return (input_size,) * 10
        case "multi-scale":
            sides = (proportional(input_size, scale) for scale in SCALES)
            return tuple(side for side in sides for _mirrored in (False, True))


def images_worth(protocol: Protocol) -> int:
    """To how many images of one view the work of an image by `protocol` comes, by its views' pixels."""
    side = SCALES[0]
    return round(sum(each**2 for each in view_sides(protocol, side)) / side**2)


class ModelRef(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A registered model."""

    model: Name
    """Its name."""
    version: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Default: the newest."""


class EvaluateSpec(Asked, frozen=True, extra="forbid"):
    """The body of `POST /jobs` for an evaluation of registered models on a data set."""

    kind: Literal["evaluate"]
    """What the job does."""
    model: Name | None = None
    """A registered model; or give `ensemble`."""
    version: int | None = Field(default=None, ge=1, le=2**31 - 1)
    """Of `model`. Default: the newest."""
    ensemble: tuple[ModelRef, ...] | None = Field(default=None, min_length=1, max_length=MAX_MODELS)
    """Models whose probabilities are averaged, instead of `model`."""
    dataset: Name | None = None
    """A name of `GET /datasets`; its validation images are evaluated. Default: the one that the
    (first) model was trained on."""
    protocol: Protocol = "center"
    """How each image is shown to the network: center, 10-crop or multi-scale. The latter two show it
    enlarged, which suits networks that were trained with scale jitter (`recipe.shorter_side`)."""
    analyse: bool = False
    """Also measure each layer's responses and gradients (Fig. 7): `GET /jobs/{id}/analysis`. For one
    model only."""
    precision: Precision = "fp32"
    """auto: bf16 autocast where the device computes it natively, else fp32."""

    @model_validator(mode="after")
    def _some_model(self) -> "EvaluateSpec":
        if (self.model is None) == (self.ensemble is None):
            raise ValueError("give either 'model' or 'ensemble'")
        if self.version is not None and self.model is None:
            raise ValueError("'version' belongs to 'model'; in 'ensemble' each entry has its own")
        if self.analyse and self.ensemble is not None and len(self.ensemble) > 1:
            raise ValueError("'analyse' looks into one model; leave it out for an ensemble")
        return self


class EvaluatedModel(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A model version, and where it lies."""

    name: Name
    version: int
    prefix: str
    """In the object store."""


class ResolvedEvaluation(Batched, frozen=True, extra="forbid"):
    """An `EvaluateSpec` with nothing left to decide."""

    kind: Literal["evaluate"]
    models: tuple[EvaluatedModel, ...]
    dataset: Name
    protocol: Protocol
    analyse: bool
    precision: Precision


class Evaluation(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an evaluation came to. Every image is counted once, by whichever worker."""

    protocol: Protocol
    dataset: Name
    models: tuple[str, ...]
    """`name:version` of each; empty for the network that a training has just ended with."""
    top1_error: float
    """Percent."""
    top5_error: float
    """Percent."""
    loss: float
    """Mean negative logarithm of the averaged probability of the true class, in nats."""
    images: int
    """Images counted."""
    views: int
    """Views of each image."""
