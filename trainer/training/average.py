"""The moving average of a network's weights: what is evaluated, kept and served in its place."""

from copy import deepcopy

import torch
from torch import nn


class Average:
    """The exponential moving average of a network, as a network of its own."""

    network: nn.Module
    """In evaluation mode, on the device of the one that it follows."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = deepcopy(network).requires_grad_(requires_grad=False).eval()
        self._decay = decay
        # Both dicts are views of the networks' own tensors, which are only ever written in place.
        own, followed = self.network.state_dict(), network.state_dict()
        real = [name for name, value in own.items() if value.is_floating_point()]
        counters = [name for name in own if name not in real]
        self._means = [own[name] for name in real]
        self._values = [followed[name] for name in real]
        self._counts = [own[name] for name in counters]
        self._counted = [followed[name] for name in counters]

    def update(self, steps: int) -> None:
        """Take in the weights and statistics after `steps` optimizer steps.

        The decay rises as (1 + steps) / (10 + steps), or the initial weights would weigh for long.
        """
        decay = min(self._decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(self._means, self._values, 1 - decay)
        if self._counts:
            torch._foreach_copy_(self._counts, self._counted)
