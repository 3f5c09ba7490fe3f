"""The network as it was trained: float32, layer by layer. Every other engine is held against it."""

from dataclasses import dataclass

from torch import Tensor

from deploy.engines.engine import Hardware
from trainer.evaluation.version import Version


@dataclass(frozen=True)
class Eager:
    """The version's own forward pass."""

    version: Version

    def logits(self, pixels: Tensor) -> Tensor:
        return self.version.logits(pixels).float().cpu()


def build(version: Version, hardware: Hardware) -> Eager:  # noqa: ARG001 - a `Kind`'s signature
    return Eager(version)
