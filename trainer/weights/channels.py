"""Option A with zeros on both sides of the channels, as akamaster/pytorch_resnet_cifar10 pads.

There, where dimensions grow, half of the new channels comes before the old ones and half after; here
all come after. The numbers are the same once the channels between blocks are put into our order.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from trainer.contract.archs import Architecture

NORM = ("weight", "bias", "running_mean", "running_var")


def reordered(state: Mapping[str, Tensor], arch: Architecture) -> dict[str, Tensor]:
    """The weights of a network of basic blocks, in our names and their order, in our order."""
    orders = streams([stage.width for stage in arch.stages])
    done = dict(state)
    for number, stage in enumerate(arch.stages):
        for index in range(stage.blocks):
            block = f"stages.{number}.{index}"
            seen = orders[number - 1] if index == 0 and number > 0 else orders[number]
            _select(done, f"{block}.conv1.conv.weight", seen, dim=1)
            for part in ("conv.weight", *(f"norm.{each}" for each in NORM)):
                _select(done, f"{block}.conv2.{part}", orders[number], dim=0)
    _select(done, "fc.weight", orders[-1], dim=1)
    return done


def streams(widths: list[int]) -> list[Tensor]:
    """For each stage: the number that each of our channels between its blocks has in theirs."""
    orders = [torch.arange(widths[0])]
    for narrow, wide in pairwise(widths):
        carried = orders[-1] + (wide - narrow) // 2
        fresh = torch.ones(wide, dtype=torch.bool).index_fill(0, carried, value=False)
        orders.append(torch.cat([carried, fresh.nonzero()[:, 0]]))
    return orders


def _select(state: dict[str, Tensor], name: str, order: Tensor, *, dim: int) -> None:
    state[name] = state[name].index_select(dim, order)
