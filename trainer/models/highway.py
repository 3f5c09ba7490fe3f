"""The layer of "Training Very Deep Networks" (Srivastava, Greff, Schmidhuber 2015). `chain` stacks it."""

from torch import Tensor, nn

GATE_BIAS = -2.0
"""Of the transform gate at the start: a layer begins by carrying most of its input on."""


class HighwayConv(nn.Module):
    """H·T + x·(1 − T), with H a convolution and ReLU, and T a convolution and sigmoid.

    (B, channels, H, W) → the same
    """

    def __init__(self, kernel: int, channels: int) -> None:
        super().__init__()
        self.transform = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.gate = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        h, t = self.transform(x).relu(), self.gate(x).sigmoid()
        out: Tensor = h * t + x * (1 - t)
        return out
