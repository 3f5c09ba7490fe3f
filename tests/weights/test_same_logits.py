"""An imported network answers as the original does: the same numbers, from the same pixels."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from tests.weights import github
from tests.weights.github import randomised
from trainer.models.build import build
from trainer.weights import preprocessing
from trainer.weights.asked import Asked
from trainer.weights.fitting import fitted
from trainer.weights.layouts import Found, recognise
from trainer.weights.preprocessing import IMAGENET, INCEPTION

EXACT = 1e-9
NEAR = 1e-4

TORCHVISION = {
    "resnet18": 64,
    "resnet34": 64,
    "resnet50": 64,
    "resnet101": 64,
    "resnet152": 64,
    "vgg16": 32,
    "googlenet": 64,
}
"""Sides in pixels at which they are compared."""


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    more = {"init_weights": False} if name in ("vgg16", "googlenet") else {}
    network = torchvision.models.get_model(name, weights=None, num_classes=11, **more)
    return randomised(network)


def imported(original: nn.Module) -> tuple[Found, nn.Module]:
    """Our network in evaluation mode, with the original's weights in its precision, divided by std."""
    tensors = original.state_dict()
    found = recognise(tensors, None)
    network = build(found.network, found.classes).to(next(original.parameters()).dtype)
    state = fitted(tensors, found, network.state_dict())
    _, std = preprocessing.normalisation(found, Asked())
    network.load_state_dict(preprocessing.divided(state, network, std))
    return found, network.eval().requires_grad_(False)


def difference(original: nn.Module, images: Tensor) -> tuple[Found, float]:
    """The largest, of the logits that both make of images in 0 … 1."""
    found, network = imported(original)
    mean, std = (
        torch.tensor(each, dtype=images.dtype)[:, None, None]
        for each in preprocessing.normalisation(found, Asked())
    )
    ours, theirs = network(images - mean), original((images - mean) / std)
    assert theirs.std() > 1e-3  # logits that differ between images and classes
    return found, (ours - theirs).abs().max().item()


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_keep_their_logits(name: str) -> None:
    original, side = made(name), TORCHVISION[name]
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    found, near = difference(original, images)
    assert (found.network.name, found.layout, found.classes) == (name, "torchvision", 11)
    assert near <= NEAR
    assert difference(original.double(), images.double())[1] <= EXACT


CIFAR: dict[str, tuple[Callable[[], nn.Module], str, str | None]] = {
    "akamaster, option A": (lambda: github.akamaster(20), "akamaster", "A"),
    "akamaster, option A, deeper": (lambda: github.akamaster(44), "akamaster", "A"),
    "akamaster, option B": (lambda: github.akamaster(20, option="B"), "akamaster", "B"),
    "chenyaofo": (lambda: github.chenyaofo(32, classes=100), "chenyaofo", "B"),
    "kuangliu, basic": (lambda: github.kuangliu(18), "kuangliu", "B"),
    "kuangliu, bottleneck": (lambda: github.kuangliu(50), "kuangliu", "B"),
}


@pytest.mark.parametrize("case", CIFAR)
def test_cifar_networks_from_github_keep_their_logits(case: str) -> None:
    make, layout, shortcut = CIFAR[case]
    torch.manual_seed(0)
    original = randomised(make())
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found, near = difference(original, images)
    assert (found.layout, getattr(found.network, "shortcut", None)) == (layout, shortcut)
    assert near <= NEAR
    assert difference(original.double(), images.double())[1] <= EXACT


def test_zeros_on_both_sides_are_not_zeros_at_the_end() -> None:
    """Without the new order of channels the logits would be others: the test above can fail."""
    torch.manual_seed(0)
    original = randomised(github.akamaster(20))
    tensors = original.state_dict()
    right = recognise(tensors, None)
    network = build(right.network, 10)
    state = fitted(tensors, right._replace(layout="chenyaofo"), network.state_dict())
    network.load_state_dict(state)
    images = torch.rand(4, 3, 32, 32)
    assert (network.eval()(images) - original(images)).abs().max() > 0.01


def test_googlenet_without_auxiliary_classifiers_keeps_its_logits() -> None:
    torch.manual_seed(0)
    original = torchvision.models.googlenet(
        weights=None, num_classes=11, aux_logits=False, init_weights=False
    )
    images = torch.rand(2, 3, 64, 64)
    assert difference(randomised(original), images)[1] <= NEAR


def test_googlenet_is_prepared_as_torchvision_prepares_its_published_weights() -> None:
    torch.manual_seed(0)
    original = randomised(
        torchvision.models.googlenet(
            weights=None, num_classes=11, init_weights=False, transform_input=True
        )
    ).double()
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    mean, std = (torch.tensor(each, dtype=torch.float64)[:, None, None] for each in IMAGENET)
    _, network = imported(original)
    ours = network(images - INCEPTION.mean[0])
    assert (ours - original((images - mean) / std)).abs().max() <= EXACT
