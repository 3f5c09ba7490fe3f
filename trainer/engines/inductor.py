"""torch.compile in bfloat16, channels last: for CUDA, where it is the fastest that torch itself has."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.engines.engine import Given


@dataclass(frozen=True)
class Inductor:
    """A compiled module on `device`."""

    module: Callable[[Tensor], Tensor]
    device: torch.device

    @torch.inference_mode()
    def logits(self, pixels: Tensor) -> Tensor:
        there = pixels.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.module(there).float().cpu()


def build(given: Given) -> Inductor:
    """It is compiled by its first batches, once for one image and once for any number."""
    module = given.module.to(memory_format=torch.channels_last)
    compiled: Callable[[Tensor], Tensor] = torch.compile(module, dynamic=None)
    return Inductor(compiled, given.version.device)
