"""Whose file it is and which network it holds, told from the names and shapes of its tensors."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from trainer.contract import archs
from trainer.contract.archs import IMAGENET_BLOCKS, Network
from trainer.contract.family import Family


class Layout(NamedTuple):
    """How one source names and shapes its ResNets. What is named only a little otherwise can still be
    read, if the layout is given."""

    name: str
    stem: tuple[int, int]
    """Channels and kernel of the first convolution."""
    classifier: str
    projection: str
    source: str

    @property
    def family(self) -> Family:
        return Family.CIFAR if self.stem[0] == 16 else Family.IMAGENET


TORCHVISION = Layout("torchvision", (64, 7), "fc", "downsample", "torchvision.models")
AKAMASTER = Layout(
    "akamaster", (16, 3), "linear", "shortcut", "github.com/akamaster/pytorch_resnet_cifar10"
)
CHENYAOFO = Layout(
    "chenyaofo", (16, 3), "fc", "downsample", "github.com/chenyaofo/pytorch-cifar-models"
)
KUANGLIU = Layout("kuangliu", (64, 3), "linear", "shortcut", "github.com/kuangliu/pytorch-cifar")

LAYOUTS = {each.name: each for each in (TORCHVISION, AKAMASTER, CHENYAOFO, KUANGLIU)}
RESIDUAL = "residual"
"""A file of `residual export`, which says in its header what it holds."""

BLOCK = re.compile(r"layer([1-9])\.\d+\.conv1\.weight")
PROJECTION = re.compile(r"layer[1-9]\.\d+\.(downsample|shortcut)\.0\.weight")

Tensors = Mapping[str, Tensor]


class NotRecognised(Exception):
    """The file holds no network that can be read here; the message says what to try."""


class Found(NamedTuple):
    """What a file holds."""

    layout: str
    network: Network
    classes: int


def recognise(tensors: Tensors, asked: str | None) -> Found:
    """The network in a file, whose layout is `asked`, or None to find out. Raises NotRecognised."""
    if asked is not None and asked not in LAYOUTS:
        raise NotRecognised(f"there is no layout '{asked}' for this file; {_choice()}")
    if asked in (None, TORCHVISION.name):
        for sign, classifier, arch in BASELINES:
            if sign in tensors:
                network = archs.resolve(arch(tensors))
                return Found(TORCHVISION.name, network, _classes(tensors, classifier))
    layout = LAYOUTS[asked] if asked else _layout(tensors)
    return Found(
        layout.name,
        _architecture(tensors, layout),
        _classes(tensors, *dict.fromkeys((layout.classifier, "fc", "linear"))),
    )


def _vgg(tensors: Tensors) -> str:
    weights = [name for name in tensors if re.fullmatch(r"features\.\d+\.weight", name)]
    if any(tensors[name].ndim != 4 for name in weights):
        raise NotRecognised(
            "a VGG with batch normalisation is none of the paper's; use one without"
        )
    layers = len(weights) + 3
    if layers not in (16, 19):
        raise NotRecognised(
            f"a VGG of {layers} layers is none of the paper's; use VGG-16 or VGG-19"
        )
    return f"vgg{layers}"


BASELINES = (
    ("features.0.weight", "classifier.6", _vgg),
    ("inception3a.branch1.conv.weight", "fc", lambda _: "googlenet"),
)
"""A tensor that only such a network of torchvision's has, its classifier, and its name."""


def _layout(tensors: Tensors) -> Layout:
    stem = _stem(tensors)
    classifier = next((name for name in ("fc", "linear") if f"{name}.weight" in tensors), None)
    projections = {match[1] for name in tensors if (match := PROJECTION.fullmatch(name))}
    for layout in LAYOUTS.values():
        # Without projections it may be a plain network, or pad in some other way than akamaster's.
        wanted = [{layout.projection}, set()] if layout is AKAMASTER else [{layout.projection}]
        if (stem, classifier) == (layout.stem, layout.classifier) and projections in wanted:
            return layout
    raise NotRecognised(f"its tensors are named as in no layout that is known here; {_choice()}")


def _architecture(tensors: Tensors, layout: Layout) -> Network:
    """The ResNet that has as many blocks. Whether its tensors fit is seen when they are put in."""
    if _stem(tensors) != layout.stem:
        channels, kernel = layout.stem
        raise NotRecognised(
            f"the layout {layout.name} begins with {channels} channels of {kernel}×{kernel} (conv1.weight), "
            f"which this file does not have; {_choice()}"
        )
    firsts = Counter(m[1] for name in tensors if (m := BLOCK.fullmatch(name)))
    blocks = tuple(firsts[stage] for stage in sorted(firsts))
    bottleneck = any(name.endswith(".conv3.weight") for name in tensors)
    projections = sum(PROJECTION.fullmatch(name) is not None for name in tensors)
    if projections == 0 and layout is not AKAMASTER:
        raise NotRecognised(
            f"it has no projection shortcuts, and ResNets of {layout.name} have; plain networks and option A "
            f"are read as akamaster's only; {_choice()}"
        )
    shortcut: archs.Shortcut = "A"
    if projections:
        shortcut = "C" if projections == sum(blocks) else "B"
    try:
        return archs.resolve(
            "resnet",
            depth=_depth(layout.family, blocks, bottleneck=bottleneck),
            family=layout.family,
            shortcut=shortcut,
            # The published bottlenecks of both halve the image in the 3×3.
            stride="v1.5" if bottleneck else "v1",
            stem="small" if layout is KUANGLIU else "paper",
        )
    except ValueError as error:
        raise NotRecognised(f"it holds no ResNet of the paper: {error}") from error


def _depth(family: Family, blocks: tuple[int, ...], *, bottleneck: bool) -> int:
    if family is Family.CIFAR and not bottleneck and len(blocks) == 3 and len(set(blocks)) == 1:
        return 6 * blocks[0] + 2
    for depth, wanted in IMAGENET_BLOCKS.items():
        if family is Family.IMAGENET and blocks == wanted and bottleneck == (depth >= 50):
            return depth
    kind = "bottleneck" if bottleneck else "basic"
    counted = ", ".join(map(str, blocks)) or "no"
    raise ValueError(f"no depth has {counted} {kind} blocks in its stages")


def _stem(tensors: Tensors) -> tuple[int, int] | None:
    first = tensors.get("conv1.weight")
    return (first.shape[0], first.shape[-1]) if first is not None and first.ndim == 4 else None


def _classes(tensors: Tensors, *classifiers: str) -> int:
    for name in classifiers:
        weight = tensors.get(f"{name}.weight")
        if weight is not None and weight.ndim == 2 and len(weight):
            return len(weight)
    raise NotRecognised(f"it has no classifier {classifiers[0]}.weight; import a whole network")


def _choice() -> str:
    known = "; ".join(f"{each.name}: {each.source}" for each in LAYOUTS.values())
    return f"name its layout with --layout ({known})"
