"""Parameters and multiply-adds of a network, counted from its description without building it.

The paper counts the multiply-adds of convolutions and of the fully connected layer only. A test
holds every count against the network that `trainer.models` builds.
"""

from collections.abc import Iterator
from typing import NamedTuple

from trainer.contract.archs import Architecture, Family


class Conv(NamedTuple):
    """One convolution with its batch normalisation, on a square image."""

    layer: str
    """Row of the paper's Table 1 it belongs to: conv1, conv2_x, …"""
    kernel: int
    c_in: int
    c_out: int
    side: int
    """Pixels on a side of its output."""
    shortcut: bool = False

    @property
    def parameters(self) -> int:
        return self.kernel**2 * self.c_in * self.c_out + 2 * self.c_out

    @property
    def multiply_adds(self) -> int:
        return self.kernel**2 * self.c_in * self.c_out * self.side**2


class Row(NamedTuple):
    """A row of a Table-1-like block table."""

    layer: str
    output_side: int
    block: str
    blocks: int
    parameters: int
    multiply_adds: int


def _halve(side: int) -> int:
    return (side + 1) // 2


def convolutions(arch: Architecture, side: int) -> Iterator[Conv]:
    """Every convolution in forward order, for an input of `side` × `side` pixels."""
    if arch.family is Family.IMAGENET:
        side = _halve(side)
        yield Conv("conv1", 7, 3, arch.stem_width, side)
        side = _halve(side)  # max-pool
    else:
        yield Conv("conv1", 3, 3, arch.stem_width, side)
    c_in = arch.stem_width
    for number, stage in enumerate(arch.stages, start=2):
        layer, c_out = f"conv{number}_x", stage.width * arch.expansion
        for index in range(stage.blocks):
            stride = stage.stride if index == 0 else 1
            out = _halve(side) if stride == 2 else side
            if arch.bottleneck:
                first = out if arch.stride == "v1" else side
                yield Conv(layer, 1, c_in, stage.width, first)
                yield Conv(layer, 3, stage.width, stage.width, out)
                yield Conv(layer, 1, stage.width, c_out, out)
            else:
                yield Conv(layer, 3, c_in, stage.width, out)
                yield Conv(layer, 3, stage.width, stage.width, out)
            grows = stride != 1 or c_in != c_out
            if arch.shortcut == "C" or (arch.shortcut == "B" and grows):
                yield Conv(layer, 1, c_in, c_out, out, shortcut=True)
            c_in, side = c_out, out


def features(arch: Architecture) -> int:
    """Channels that global average pooling hands to the classifier."""
    return arch.stages[-1].width * arch.expansion


def parameters(arch: Architecture, classes: int) -> int:
    convs = sum(conv.parameters for conv in convolutions(arch, arch.input_size))
    return convs + features(arch) * classes + classes


def multiply_adds(arch: Architecture, classes: int, side: int) -> int:
    """Multiply-adds of one image's forward pass."""
    convs = sum(conv.multiply_adds for conv in convolutions(arch, side))
    return convs + features(arch) * classes


def activations(arch: Architecture, side: int) -> int:
    """Values that one image leaves behind for the backward pass: each convolution's output, its
    batch normalisation's and its ReLU's."""
    return sum(3 * conv.c_out * conv.side**2 for conv in convolutions(arch, side))


def block_table(arch: Architecture, classes: int, side: int) -> list[Row]:
    """The network as the paper's Table 1 shows it, from the stem to the classifier."""
    convs = list(convolutions(arch, side))
    blocks = [1, *(stage.blocks for stage in arch.stages)]
    rows = []
    for layer, count in zip(dict.fromkeys(c.layer for c in convs), blocks, strict=True):
        mine = [c for c in convs if c.layer == layer]
        body = [c for c in mine if not c.shortcut][
            : len([c for c in mine if not c.shortcut]) // count
        ]
        rows.append(
            Row(
                layer,
                mine[-1].side,
                ", ".join(f"{c.kernel}×{c.kernel}, {c.c_out}" for c in body),
                count,
                sum(c.parameters for c in mine),
                sum(c.multiply_adds for c in mine),
            )
        )
    width = features(arch)
    head = Row(
        "fc", 1, f"average pool, {classes}-d fc", 1, width * classes + classes, width * classes
    )
    return [*rows, head]
