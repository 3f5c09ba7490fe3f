"""A validation transform as data: stored with a model, executed alike by training and serving."""

import hashlib
from typing import Literal

from pydantic import BaseModel, Field

from trainer.contract.datasets import DatasetInfo


class Transform(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """From any image to what the network was validated on. Steps happen in the fields' order."""

    mode: Literal["rgb", "grey"]
    """The image's colours after decoding; grey is repeated to three channels at the end."""
    crop: float = Field(default=1.0, gt=0, le=1)
    """Side of the centre square that is cut out, as a fraction of the image's shorter side."""
    resize: int
    """Side in pixels that the centre square is resized to, bilinear with antialias."""
    pad: int
    """Zero pixels added on every side."""
    input_size: int
    """Side of the result: resize + 2 × pad."""
    scale: float = 1 / 255
    """Pixel values are multiplied by this."""
    subtract: Literal["pixel_mean"] = "pixel_mean"
    """The tensor `pixel_mean` (3, input_size, input_size) beside the weights, subtracted last."""

    @property
    def digest(self) -> str:
        """A short name for exactly this transform."""
        # The whole square is left out, so that transforms keep the names they had before `crop`.
        whole = {"crop"} if self.crop == 1 else None
        return hashlib.sha256(self.model_dump_json(exclude=whole).encode()).hexdigest()[:16]


def for_dataset(info: DatasetInfo, input_size: int | None = None) -> Transform:
    """The validation transform of a data set, for networks that take `input_size` pixels a side.

    An input size that is not the data set's own is reached by resizing.
    """
    if input_size not in (None, info.input_size):
        return Transform(
            mode="grey" if info.grey else "rgb", resize=input_size, pad=0, input_size=input_size
        )
    pad = (info.input_size - info.stored_size) // 2
    small = info.stored_size * 2 <= info.input_size
    return Transform(
        mode="grey" if info.grey else "rgb",
        # Images less than half the input's size are enlarged rather than drowned in padding.
        resize=info.input_size if small else info.stored_size,
        pad=0 if small else pad,
        input_size=info.input_size,
    )
