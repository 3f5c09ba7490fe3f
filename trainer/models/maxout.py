"""The nonlinearity of "Maxout Networks" (Goodfellow et al. 2013). `chain` puts it after a layer."""

from torch import Tensor, nn


class Maxout(nn.Module):
    """The largest of every `pieces` consecutive channels. (B, pieces·C, …) → (B, C, …)"""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, self.pieces, *x.shape[2:]).amax(dim=2)
