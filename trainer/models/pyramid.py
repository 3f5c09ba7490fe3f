"""Spatial pyramid pooling (He et al. 2014), which PReLU-net has before its fully connected layers."""

import torch
from torch import Tensor, nn


class PyramidPool(nn.Module):
    """Max-pooling to several grids of n × n, concatenated. (B, C, H, W) → (B, C·Σn²), whatever H and W

    The windows are those of PyTorch's adaptive pooling, which ONNX cannot express.
    """

    def __init__(self, sides: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = sides

    def forward(self, x: Tensor) -> Tensor:
        grids = [largest(largest(x, side, dim=2), side, dim=3) for side in self.sides]
        return torch.cat([grid.flatten(1) for grid in grids], dim=1)


def largest(x: Tensor, windows: int, *, dim: int) -> Tensor:
    """The maximum along `dim` in each of as many windows, which overlap where they do not divide it."""
    size = x.shape[dim]
    starts = [i * size // windows for i in range(windows)]
    stops = [-(-(i + 1) * size // windows) for i in range(windows)]  # rounded up
    parts = [x.narrow(dim, a, b - a).amax(dim) for a, b in zip(starts, stops, strict=True)]
    return torch.stack(parts, dim)
