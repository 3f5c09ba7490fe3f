"""The weighted layers of any network in forward order, from its description. `counting` adds them up."""

from collections.abc import Iterator
from typing import NamedTuple

from trainer.contract.archs import Architecture, Network
from trainer.contract.baselines import Baseline
from trainer.contract.chains import chain
from trainer.contract.inception import AUXILIARY, STAGES, Inception
from trainer.contract.layers import Conv, Dense, Pool, Shape, after


class Weighted(NamedTuple):
    """One convolution, with what follows it up to the next, on a square image. A fully connected layer
    is a 1×1 on a side of 1."""

    row: str
    """Of the block table: conv1, conv2_x, …"""
    block: int
    """Number of its block within the row."""
    kernel: int
    c_in: int
    c_out: int
    side: int
    """Pixels on a side of its output."""
    dense: bool = False
    bias: bool = False
    norm: bool = True
    """Batch normalisation follows."""
    slopes: bool = False
    """PReLU follows, with a slope a channel."""
    copies: int = 1
    """Convolutions side by side: the pieces of maxout, or a highway layer's transform and its gate."""
    gated: bool = False
    shortcut: bool = False
    """A projection: weighted, but not counted in the depth."""
    auxiliary: bool = False
    """Of a classifier that only training has: it costs parameters, and a prediction nothing."""

    @property
    def parameters(self) -> int:
        each = self.kernel**2 * self.c_in * self.c_out + self.bias * self.c_out
        return self.copies * each + (2 * self.norm + self.slopes) * self.c_out

    @property
    def multiply_adds(self) -> int:
        if self.auxiliary:
            return 0
        return self.copies * self.kernel**2 * self.c_in * self.c_out * self.side**2

    @property
    def activations(self) -> int:
        """Values that one image leaves behind for the backward pass: the convolutions' outputs, the batch
        normalisation's, and the nonlinearity's."""
        return (self.copies + self.norm + 1) * self.c_out * self.side**2

    @property
    def label(self) -> str:
        """As a block table shows it."""
        kernel = f"{self.kernel}×{self.kernel}"
        if self.gated:
            return f"highway {kernel}, {self.c_out}"
        shown = f"{self.c_out}-d fc" if self.dense else f"{kernel}, {self.c_out}"
        return f"{shown} (maxout {self.copies})" if self.copies > 1 else shown


def layers(network: Network, classes: int, side: int) -> Iterator[Weighted]:
    """Every weighted layer, for an input of `side` × `side` pixels."""
    if isinstance(network, Architecture):
        return _residual(network, classes, side)
    if network.name == "googlenet":
        return _googlenet(classes, side)
    return _chain(network, classes, side)


def _halve(side: int) -> int:
    return (side + 1) // 2


def _residual(arch: Architecture, classes: int, side: int) -> Iterator[Weighted]:
    if arch.large_stem:
        side = _halve(side)
        yield Weighted("conv1", 0, 7, 3, arch.stem_width, side)
        side = _halve(side)  # max-pool
    else:
        yield Weighted("conv1", 0, 3, 3, arch.stem_width, side)
    c_in = arch.stem_width
    for number, stage in enumerate(arch.stages, start=2):
        row, c_out = f"conv{number}_x", stage.width * arch.expansion
        for block in range(stage.blocks):
            stride = stage.stride if block == 0 else 1
            out = _halve(side) if stride == 2 else side
            if arch.bottleneck:
                first = out if arch.stride == "v1" else side
                yield Weighted(row, block, 1, c_in, stage.width, first)
                yield Weighted(row, block, 3, stage.width, stage.width, out)
                yield Weighted(row, block, 1, stage.width, c_out, out)
            else:
                yield Weighted(row, block, 3, c_in, stage.width, out)
                yield Weighted(row, block, 3, stage.width, stage.width, out)
            grows = stride != 1 or c_in != c_out
            if arch.shortcut == "C" or (arch.shortcut == "B" and grows):
                yield Weighted(row, block, 1, c_in, c_out, out, shortcut=True)
            c_in, side = c_out, out
    yield _dense("fc", 0, c_in, classes)


def _chain(network: Baseline, classes: int, side: int) -> Iterator[Weighted]:
    shape, companions = Shape(3, side), []
    for part in chain(network.name, classes):
        for number, layer in enumerate(part.layers):
            out = after(layer, shape)
            if isinstance(layer, Conv | Dense):
                yield Weighted(
                    part.name,
                    number,
                    layer.kernel if isinstance(layer, Conv) else 1,
                    shape.channels,
                    out.channels,
                    out.side,
                    dense=isinstance(layer, Dense),
                    bias=True,
                    norm=False,
                    slopes=layer.activation == "prelu",
                    copies=2 if layer.activation == "highway" else layer.pieces,
                    gated=layer.activation == "highway",
                )
            shape = out
        if part.companion:
            companions.append(shape.channels * shape.side**2)
    for number, c_in in enumerate(companions):
        yield _dense("companions", number, c_in, classes, auxiliary=True)


def _googlenet(classes: int, side: int) -> Iterator[Weighted]:
    """torchvision's: with batch normalisation, and 3×3 for 5×5."""

    def pooled(pool: Pool) -> int:
        return after(pool, Shape(1, side)).side

    side = _halve(side)
    yield Weighted("conv1", 0, 7, 3, 64, side)
    side = pooled(Pool(3, 2, ceil=True))
    yield Weighted("conv2", 0, 1, 64, 64, side)
    yield Weighted("conv2", 1, 3, 64, 192, side)
    c_in = 192
    pools = (Pool(3, 2, ceil=True), Pool(3, 2, ceil=True), Pool(2, 2, ceil=True))
    for pool, stage in zip(pools, STAGES, strict=True):
        side = pooled(pool)
        for module in stage:
            yield from _inception(module, c_in, side)
            c_in = module.channels
    yield _dense("fc", 0, c_in, classes)
    for number, module in enumerate(m for stage in STAGES for m in stage if m.name in AUXILIARY):
        yield Weighted("auxiliary", number, 1, module.channels, 128, 4, auxiliary=True)
        yield _dense("auxiliary", number, 128 * 4**2, 1024, auxiliary=True)
        yield _dense("auxiliary", number, 1024, classes, auxiliary=True)


def _inception(module: Inception, c_in: int, side: int) -> Iterator[Weighted]:
    yield Weighted(module.name, 0, 1, c_in, module.one, side)
    yield Weighted(module.name, 1, 1, c_in, module.reduce3, side)
    yield Weighted(module.name, 1, 3, module.reduce3, module.three, side)
    yield Weighted(module.name, 2, 1, c_in, module.reduce5, side)
    yield Weighted(module.name, 2, 3, module.reduce5, module.five, side)
    yield Weighted(module.name, 3, 1, c_in, module.pool, side)


def _dense(row: str, block: int, c_in: int, units: int, *, auxiliary: bool = False) -> Weighted:
    return Weighted(
        row, block, 1, c_in, units, 1, dense=True, bias=True, norm=False, auxiliary=auxiliary
    )
