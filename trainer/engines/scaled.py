"""From pixels to logits in one module, for engines that compile all of it."""

import torch
from torch import Tensor, nn

from trainer.evaluation.version import Version


class Scaled(nn.Module):
    """Scaling, less the mean, then the network. uint8 (B, 3, S, S) → (B, classes)"""

    pixel_mean: Tensor

    def __init__(self, version: Version) -> None:
        super().__init__()
        self.scale = version.meta.transform.scale
        self.network = version.network
        self.register_buffer("pixel_mean", version.pixel_mean)

    def forward(self, pixels: Tensor) -> Tensor:
        # Not `normalise`: it works in place, which a compiler would have to undo.
        logits: Tensor = self.network(pixels.to(torch.float32) * self.scale - self.pixel_mean)
        return logits
