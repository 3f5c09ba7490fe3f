"""Parameters and multiply-adds of a network, counted from its description without building it.

The paper counts the multiply-adds of convolutions and of fully connected layers only. A test holds
every count against the network that `trainer.models` builds.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from trainer.contract.archs import Architecture, Network
from trainer.contract.weighted import Weighted, layers


class Row(NamedTuple):
    """A row of a Table-1-like block table."""

    layer: str
    output_side: int
    block: str
    blocks: int
    parameters: int
    multiply_adds: int


def convolutions(network: Network, side: int) -> Iterator[Weighted]:
    """Every convolution in forward order, for an input of `side` × `side` pixels."""
    return (layer for layer in layers(network, 1, side) if not layer.dense)


def parameters(network: Network, classes: int) -> int:
    """All that training learns, auxiliary classifiers included."""
    return sum(layer.parameters for layer in layers(network, classes, network.input_size))


def multiply_adds(network: Network, classes: int, side: int) -> int:
    """Multiply-adds of one image's forward pass, without auxiliary classifiers."""
    return sum(layer.multiply_adds for layer in layers(network, classes, side))


def activations(network: Network, side: int, *, checkpointed: bool = False) -> int:
    """Values that one image leaves behind for the backward pass, auxiliary classifiers left out.

    With checkpointed activations: every block's output, and the whole of the largest block.
    """
    kept = [layer for layer in convolutions(network, side) if not layer.auxiliary]
    if not checkpointed:
        return sum(layer.activations for layer in kept)
    blocks = [list(block) for _, block in groupby(kept, key=lambda layer: (layer.row, layer.block))]
    outputs = sum(block[-1].c_out * block[-1].side ** 2 for block in blocks)
    return outputs + max(sum(layer.activations for layer in block) for block in blocks)


def block_table(network: Network, classes: int, side: int) -> list[Row]:
    """The network as the paper's Table 1 shows it, from the stem to the classifier."""
    rows: dict[str, list[Weighted]] = {}
    for layer in layers(network, classes, side):
        rows.setdefault(layer.row, []).append(layer)
    return [
        Row(
            name,
            mine[-1].side,
            *_blocks(network, mine),
            sum(layer.parameters for layer in mine),
            sum(layer.multiply_adds for layer in mine),
        )
        for name, mine in rows.items()
    ]


def _blocks(network: Network, row: Sequence[Weighted]) -> tuple[str, int]:
    """What one block of a row is made of, and how many there are."""
    if isinstance(network, Architecture) and row[0].dense:
        return f"average pool, {row[0].label}", 1
    body = [layer for layer in row if not layer.shortcut]
    blocks = [
        ", ".join(layer.label for layer in block)
        for _, block in groupby(body, key=lambda layer: layer.block)
    ]
    if len(set(blocks)) == 1:
        return blocks[0], len(blocks)
    return "; ".join(blocks), 1
