"""The layers that the paper's baselines are made of, as data: `chains` lists them, `weighted` counts them
and `trainer.models.chain` builds them."""

from math import ceil
from typing import Literal, NamedTuple

Activation = Literal["none", "relu", "prelu", "maxout", "highway"]
"""What follows a layer. prelu: a slope a channel. maxout: the largest of `pieces` linear pieces. highway:
a ReLU, and a gate that mixes it with the layer's input."""


class Conv(NamedTuple):
    """A convolution with bias on square images."""

    kernel: int
    channels: int
    """Of its output, after maxout."""
    activation: Activation = "relu"
    stride: int = 1
    padding: int | None = None
    """Zero pixels on each side; None keeps the side at stride 1 (odd kernels)."""
    pieces: int = 1

    @property
    def pad(self) -> int:
        return self.kernel // 2 if self.padding is None else self.padding


class Dense(NamedTuple):
    """A fully connected layer with bias."""

    units: int
    activation: Activation = "relu"
    pieces: int = 1


class Pool(NamedTuple):
    """Max-pooling."""

    kernel: int
    stride: int
    ceil: bool = False
    """Whether a window may hang over the edge, as in Caffe and cuda-convnet."""


class Grid(NamedTuple):
    """Pooling to n × n values a channel, whatever the image's size; several grids are concatenated, as
    spatial pyramid pooling does."""

    sides: tuple[int, ...]
    average: bool
    """Else the maximum."""


class Dropout(NamedTuple):
    probability: float


class Flatten(NamedTuple):
    """(B, C, H, W) → (B, C·H·W)"""


Layer = Conv | Dense | Pool | Grid | Dropout | Flatten


class Part(NamedTuple):
    """Some layers in a row: one row of a block table."""

    name: str
    layers: tuple[Layer, ...]
    companion: bool = False
    """Whether a classifier of its own looks at its output while training (Deeply-Supervised Nets)."""


Chain = tuple[Part, ...]
"""A network without branches."""


class Shape(NamedTuple):
    """Of what goes from layer to layer: (B, channels, side, side), or (B, channels) at side 1."""

    channels: int
    side: int


def after(layer: Layer, shape: Shape) -> Shape:
    """The shape of a layer's output. PyTorch's rounding; PyTorch's restriction on ceil never bites, for
    no pooling here strides further than its kernel."""
    match layer:
        case Conv():
            side = (shape.side + 2 * layer.pad - layer.kernel) // layer.stride + 1
            return Shape(layer.channels, side)
        case Pool():
            steps = (shape.side - layer.kernel) / layer.stride
            return Shape(shape.channels, (ceil(steps) if layer.ceil else int(steps)) + 1)
        case Grid(sides):
            values = sum(side**2 for side in sides)
            alone = len(sides) == 1
            return Shape(shape.channels, *sides) if alone else Shape(shape.channels * values, 1)
        case Dense():
            return Shape(layer.units, 1)
        case Flatten():
            return Shape(shape.channels * shape.side**2, 1)
        case Dropout():
            return shape
