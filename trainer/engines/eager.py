"""The network as it was trained: float32, layer by layer. Every other engine is held against it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.engines.engine import Given


@dataclass(frozen=True)
class Eager:
    """A version's own forward pass, on its device."""

    module: nn.Module
    device: torch.device

    @torch.inference_mode()
    def logits(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.module(pixels.to(self.device))
        return found.float().cpu()


def build(given: Given) -> Eager:
    return Eager(given.module, given.version.device)
