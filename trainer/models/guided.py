"""What a network with auxiliary classifiers returns while it is trained. The training loop reads it."""

from typing import NamedTuple

from torch import Tensor


class Guided(NamedTuple):
    """The loss is that of `logits`, plus `weight` times that of each auxiliary output."""

    logits: Tensor
    """(B, classes)"""
    auxiliary: tuple[Tensor, ...]
    """(B, classes) each, from the image on."""
    weight: float
