"""The networks of the paper as data: which exist, and how many blocks of which width they have.

The service validates requests with it; `trainer.models` builds from it; `counting` counts it. What
the paper compares itself with is in `baselines`.
"""

from typing import Literal, NamedTuple

from pydantic import BaseModel

from trainer.contract.baselines import BASELINES, Baseline
from trainer.contract.family import Family

Shortcut = Literal["A", "B", "C"]
"""A: identity padded with zeros. B: projection where dimensions grow. C: projection everywhere."""

Stride = Literal["v1", "v1.5"]
"""Where a bottleneck halves the image: v1 in its first 1×1 (the paper), v1.5 in its 3×3."""

Stem = Literal["paper", "small"]
"""What comes before the stages of the ImageNet family: the paper's 7×7/2 and 3×3/2 max-pool, or for
small images one 3×3 of stride 1. The CIFAR family's own is that already."""


Choice = Literal["arch", "shortcut", "stride", "stem"]


class NoSuchNetwork(ValueError):
    """A choice that names no network: `field` is at fault, and the message says how to mend it."""

    def __init__(self, field: Choice, message: str) -> None:
        super().__init__(message)
        self.field = field


class Stage(NamedTuple):
    """Blocks of one width; the first of them may halve the image."""

    blocks: int
    width: int
    """Channels of the block's 3×3 convolutions."""
    stride: int


IMAGENET_BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""Depth → blocks in each of the four stages (Table 1)."""

CIFAR_NAMED_DEPTHS = (20, 32, 44, 56, 110, 1202)
"""The depths of Table 6. Any other 6n+2 can be asked for with `depth`."""

MAX_CIFAR_DEPTH = 1202


class Architecture(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """One network, fully determined but for its number of classes and input size."""

    family: Family
    depth: int
    """Weighted layers, as the paper counts them (projections are not counted)."""
    shortcut: Shortcut | None
    """None is a plain network: the same layers without shortcuts."""
    stride: Stride = "v1"
    """Only bottleneck networks differ."""
    stem: Stem = "paper"

    @property
    def name(self) -> str:
        return f"{'plain' if self.shortcut is None else 'resnet'}{self.depth}"

    @property
    def bottleneck(self) -> bool:
        return self.family is Family.IMAGENET and self.depth >= 50

    @property
    def expansion(self) -> int:
        """Output channels of a block over its width."""
        return 4 if self.bottleneck else 1

    @property
    def stem_width(self) -> int:
        return 64 if self.family is Family.IMAGENET else 16

    @property
    def large_stem(self) -> bool:
        """7×7/2 and max-pool, else one 3×3."""
        return self.family is Family.IMAGENET and self.stem == "paper"

    @property
    def stages(self) -> tuple[Stage, ...]:
        if self.family is Family.IMAGENET:
            blocks: tuple[int, ...] = IMAGENET_BLOCKS[self.depth]
        else:
            blocks = ((self.depth - 2) // 6,) * 3
        widths = (self.stem_width * 2**i for i in range(len(blocks)))
        return tuple(
            Stage(n, width, stride=1 if i == 0 else 2)
            for i, (n, width) in enumerate(zip(blocks, widths, strict=True))
        )

    @property
    def input_size(self) -> int:
        """Side in pixels of the square image the paper feeds it."""
        return self.family.input_size

    @property
    def source(self) -> str:
        return "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2015"


Network = Architecture | Baseline


def catalogue() -> dict[str, Network]:
    """Every network that has a name of its own, with the paper's default shortcut."""
    named: dict[str, Network] = {}
    for depth in IMAGENET_BLOCKS:
        named[f"resnet{depth}"] = resolve("resnet", depth=depth, family=Family.IMAGENET)
    for depth in (18, 34):
        named[f"plain{depth}"] = resolve("plain", depth=depth, family=Family.IMAGENET)
    for depth in CIFAR_NAMED_DEPTHS:
        named[f"resnet{depth}"] = resolve("resnet", depth=depth, family=Family.CIFAR)
    for depth in CIFAR_NAMED_DEPTHS[:-1]:
        named[f"plain{depth}"] = resolve("plain", depth=depth, family=Family.CIFAR)
    return named | BASELINES


def resolve(  # noqa: PLR0913 - all by name, and each makes another network
    arch: str,
    *,
    depth: int | None = None,
    family: Family | None = None,
    shortcut: Shortcut | None = None,
    stride: Stride = "v1",
    stem: Stem = "paper",
) -> Network:
    """The network a request means. Raises NoSuchNetwork with a sentence that says how to mend it."""
    if arch in BASELINES:
        _check_baseline(BASELINES[arch], depth, family)
        _check_options(BASELINES[arch], shortcut, stride, stem)
        return BASELINES[arch]
    kind, depth = _kind_and_depth(arch, depth)
    family = family or (Family.IMAGENET if depth in IMAGENET_BLOCKS else Family.CIFAR)
    _check_depth(family, depth)
    if stem == "small" and family is Family.CIFAR:
        raise NoSuchNetwork(
            "stem", f"{kind}{depth} is made for small images as it is; leave 'stem' out"
        )
    if kind == "plain":
        if shortcut is not None:
            raise NoSuchNetwork(
                "shortcut", "a plain network has no shortcuts; leave 'shortcut' out, or use resnet"
            )
        return Architecture(family=family, depth=depth, shortcut=None, stride=stride, stem=stem)
    default: Shortcut = "B" if family is Family.IMAGENET else "A"
    return Architecture(
        family=family, depth=depth, shortcut=shortcut or default, stride=stride, stem=stem
    )


def _kind_and_depth(arch: str, depth: int | None) -> tuple[str, int]:
    """resnet or plain, and the depth that its name or the request gives."""
    kind = next((k for k in ("resnet", "plain") if arch.startswith(k)), None)
    digits = arch.removeprefix(kind) if kind else ""
    if kind is None or (digits and not digits.isdecimal()):
        raise NoSuchNetwork(
            "arch",
            f"there is no architecture '{arch}'; GET /archs lists them, for example resnet20 or "
            "plain34, and 'resnet' or 'plain' takes any depth",
        )
    if digits and depth is not None and depth != int(digits):
        raise NoSuchNetwork(
            "arch", f"arch '{arch}' and depth {depth} disagree; leave one of them out"
        )
    depth = int(digits) if digits else depth
    if depth is None:
        raise NoSuchNetwork(
            "arch",
            f"arch '{arch}' needs a depth, for example {{'arch': '{arch}', 'depth': 20}}",
        )
    return kind, depth


def _check_depth(family: Family, depth: int) -> None:
    if family is Family.IMAGENET and depth not in IMAGENET_BLOCKS:
        depths = ", ".join(map(str, IMAGENET_BLOCKS))
        raise NoSuchNetwork(
            "arch", f"the ImageNet family has the depths {depths}; {depth} is none of them"
        )
    if family is Family.CIFAR and not (8 <= depth <= MAX_CIFAR_DEPTH and depth % 6 == 2):
        below = min(max(8, depth - (depth - 2) % 6), MAX_CIFAR_DEPTH)
        raise NoSuchNetwork(
            "arch",
            f"the CIFAR family has the depths 6n+2 from 8 to {MAX_CIFAR_DEPTH}; {depth} is none of "
            f"them, {below} is one",
        )


def _check_baseline(network: Baseline, depth: int | None, family: Family | None) -> None:
    if depth not in (None, network.depth) or family not in (None, network.family):
        raise NoSuchNetwork(
            "arch",
            f"{network.name} has {network.depth} layers and is of the {network.family} family; "
            "leave 'depth' and 'family' out",
        )


def _check_options(
    network: Baseline, shortcut: Shortcut | None, stride: Stride, stem: Stem
) -> None:
    options: tuple[tuple[Choice, bool, str], ...] = (
        ("shortcut", shortcut is not None, "shortcut options"),
        ("stride", stride != "v1", "bottleneck blocks"),
        ("stem", stem != "paper", "other stem"),
    )
    for field, asked, what in options:
        if asked:
            raise NoSuchNetwork(field, f"{network.name} has no {what}; leave '{field}' out")
