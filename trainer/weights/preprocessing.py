"""How the published networks want their images, and how that becomes a `Transform` and a mean image.

They are given (x − mean) / std. Here a network is given x − mean, and its first convolution is divided
by std instead: its zero padding stays zero, so that is the same function.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.contract.archs import Network
from trainer.contract.baselines import BASELINES
from trainer.contract.family import Family
from trainer.contract.transform import Transform
from trainer.weights.asked import Asked, Channels
from trainer.weights.layouts import AKAMASTER, Found


class Normalisation(NamedTuple):
    """Of red, green and blue in 0 … 1."""

    mean: Channels
    std: Channels


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR10 = Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR100 = Normalisation((0.5070, 0.4865, 0.4409), (0.2673, 0.2564, 0.2761))
INCEPTION = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""What torchvision's GoogLeNet makes of images normalised as IMAGENET (its `transform_input`)."""

RESIZE = 256
"""Shorter side in pixels of which ImageNet's networks see the central 224."""
RESIZED_TO_232 = ("11ad3fa6", "cd907fc2", "f82ba261")
"""How the SHA-256 begins of torchvision's IMAGENET1K_V2 weights of ResNet-50, -101 and -152, which were
published with 232 instead. The files are named by it."""


def normalisation(found: Found, asked: Asked) -> Normalisation:
    """Raises ValueError for a std that nothing can be divided by."""
    default = _published(found)
    std = asked.std or default.std
    if min(std) <= 0:
        raise ValueError("a std is above 0")
    return Normalisation(asked.mean or default.mean, std)


def transform(network: Network, asked: Asked, sha256: str) -> Transform:
    """Raises ValueError when the centre would be larger than the image."""
    if network.family is Family.CIFAR or _small(network):
        side = short = Family.CIFAR.input_size
    else:
        side = network.input_size
        short = 232 if sha256.startswith(RESIZED_TO_232) else RESIZE
    short = asked.resize or short
    if short < side:
        raise ValueError(f"the network sees {side} pixels a side; resize to that or more")
    return Transform(mode="rgb", crop=side / short, resize=side, pad=0, input_size=side)


def divided(state: dict[str, Tensor], network: nn.Module, std: Channels) -> dict[str, Tensor]:
    """The weights of a network that is given images which were not divided by std."""
    first = next(name for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    name = f"{first}.weight"
    weight = state[name]
    by_channel = torch.tensor(std, dtype=torch.float64)[:, None, None]  # (3, 1, 1)
    return state | {name: (weight.to(torch.float64) / by_channel).to(weight.dtype)}


def mean_image(mean: Channels, side: int) -> Tensor:
    """float32 (3, side, side)"""
    return torch.tensor(mean)[:, None, None].expand(3, side, side).contiguous()


def _published(found: Found) -> Normalisation:
    if found.network == BASELINES["googlenet"]:
        return INCEPTION
    if found.network.family is Family.CIFAR or _small(found.network):
        if found.layout == AKAMASTER.name:
            return IMAGENET
        return CIFAR100 if found.classes == 100 else CIFAR10
    return IMAGENET


def _small(network: Network) -> bool:
    return getattr(network, "stem", "paper") == "small"
