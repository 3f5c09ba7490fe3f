"""Deeply-Supervised Nets (Lee et al. 2014): hidden layers with classifiers of their own while training."""

from torch import Tensor, nn

from trainer.contract.layers import Chain, Shape, after
from trainer.models.chain import initialised, sequence
from trainer.models.guided import Guided

COMPANION_WEIGHT = 0.1
"""Of each companion's loss. The source lets it fall from there to zero, and uses squared hinge losses; here
it is constant, and the loss is that of the network."""


class DeeplySupervised(nn.Module):
    """A chain whose marked parts are classified on the way, while training.

    (B, 3, side, side) → Guided in training mode, else logits (B, classes)
    """

    def __init__(self, chain: Chain, classes: int, side: int) -> None:
        super().__init__()
        self.parts = sequence(chain, side)
        self.companions = nn.ModuleDict()
        shape = Shape(3, side)
        for part in chain:
            for layer in part.layers:
                shape = after(layer, shape)
            if part.companion:
                classifier = nn.Linear(shape.channels * shape.side**2, classes)
                self.companions[part.name] = initialised(classifier, "none")

    def forward(self, x: Tensor) -> Tensor | Guided:
        auxiliary = []
        for name, part in self.parts.named_children():
            x = part(x)
            if self.training and name in self.companions:
                auxiliary.append(self.companions[name](x.flatten(1)))
        return Guided(x, tuple(auxiliary), COMPANION_WEIGHT) if self.training else x
