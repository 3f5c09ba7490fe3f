"""The network as it was trained: float32, layer by layer. Every other engine is held against it."""

from dataclasses import dataclass

from torch import Tensor

from trainer.engines.engine import Given
from trainer.evaluation.version import Version


@dataclass(frozen=True)
class Eager:
    """The version's own forward pass."""

    version: Version

    def logits(self, pixels: Tensor) -> Tensor:
        return self.version.logits(pixels).float().cpu()


def build(given: Given) -> Eager:
    return Eager(given.version)
