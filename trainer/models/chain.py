"""Networks without branches, built from the layers that `trainer.contract.chains` lists."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from torch import nn

from trainer.contract.layers import (
    Activation,
    Chain,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Grid,
    Layer,
    Pool,
    Shape,
    after,
)
from trainer.models.highway import GATE_BIAS, HighwayConv
from trainer.models.maxout import Maxout
from trainer.models.pyramid import PyramidPool

PRELU_SLOPE = 0.25
"""At the start (He et al. 2015)."""

GAINS: dict[Activation, float] = {
    "none": 0.01,  # a classifier: begin with all classes about equally likely
    "relu": 2.0,
    "prelu": 2 / (1 + PRELU_SLOPE**2),
    "maxout": 1.0,  # exact for two pieces: of two independent normals, the larger has the mean square of one
    "highway": 2.0,
}
"""Variance of a layer's weights times its fan-in with which values neither grow nor vanish (He et al.
2015, equation 10, for each nonlinearity)."""


def sequence(chain: Chain, side: int) -> nn.Sequential:
    """The network of `chain` for images of `side` pixels, with fresh weights from torch's own seed.

    (B, 3, side, side) → logits (B, classes). Any side does where a grid or a global average precedes the
    fully connected layers. One submodule a part, of the part's name.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    shape = Shape(3, side)
    for part in chain:
        modules: list[nn.Module] = []
        for layer in part.layers:
            modules += build_layer(layer, shape)
            shape = after(layer, shape)
        parts[part.name] = nn.Sequential(*modules)
    return nn.Sequential(parts)


def build_layer(layer: Layer, shape: Shape) -> Iterator[nn.Module]:
    """The modules of one layer with its nonlinearity, for an input of `shape`."""
    match layer:
        case Conv(activation="highway"):
            yield initialised(HighwayConv(layer.kernel, layer.channels), "highway")
        case Conv():
            conv = nn.Conv2d(
                shape.channels,
                layer.channels * layer.pieces,
                layer.kernel,
                layer.stride,
                padding=layer.pad,
            )
            yield initialised(conv, layer.activation)
            yield from nonlinearity(layer.activation, layer.channels, layer.pieces)
        case Dense():
            dense = nn.Linear(shape.channels, layer.units * layer.pieces)
            yield initialised(dense, layer.activation)
            yield from nonlinearity(layer.activation, layer.units, layer.pieces)
        case Pool():
            yield nn.MaxPool2d(layer.kernel, layer.stride, ceil_mode=layer.ceil)
        case Grid(sides=(side,), average=True):
            yield nn.AdaptiveAvgPool2d(side)
        case Grid():
            yield PyramidPool(layer.sides)
        case Dropout():
            yield nn.Dropout(layer.probability)
        case Flatten():
            yield nn.Flatten()


def nonlinearity(activation: Activation, channels: int, pieces: int) -> Iterable[nn.Module]:
    match activation:
        case "relu":
            return [nn.ReLU()]
        case "prelu":
            return [nn.PReLU(channels, init=PRELU_SLOPE)]
        case "maxout":
            return [Maxout(pieces)]
        case _:
            return []


def initialised(module: nn.Module, activation: Activation) -> nn.Module:
    """`module` with normal weights that keep the values' scale through `activation`, and biases of zero,
    but for those of a highway's gate."""
    gate = module.gate if isinstance(module, HighwayConv) else None
    for each in module.modules():
        if isinstance(each, nn.Conv2d | nn.Linear):
            fan_in = each.weight[0].numel()
            nn.init.normal_(each.weight, std=(GAINS[activation] / fan_in) ** 0.5)
            if each.bias is not None:
                nn.init.constant_(each.bias, GATE_BIAS if each is gate else 0.0)
    return module
