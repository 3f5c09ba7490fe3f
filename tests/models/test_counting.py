"""Counts that are shown without building a network are those of the built network, and the paper's."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from trainer.contract import archs, counting
from trainer.contract.archs import Architecture, Family, Shortcut, Stride
from trainer.models.build import build

CATALOGUE = archs.catalogue()


def classes(arch: Architecture) -> int:
    return 1000 if arch.family is Family.IMAGENET else 10


def multiply_adds(net: nn.Module, side: int) -> int:
    """Of one image: counted in the convolutions and linear layers that a forward pass meets."""
    counts: list[int] = []

    def count(module: nn.Module, _: Any, out: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            taps = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
            counts.append(out.numel() * taps)
        elif isinstance(module, nn.Linear):
            counts.append(out.numel() * module.in_features)

    hooks = [module.register_forward_hook(count) for module in net.modules()]
    with torch.no_grad():
        net(torch.empty(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def assert_counted_as_built(arch: Architecture, sides: tuple[int, ...]) -> None:
    with torch.device("meta"):  # shapes without numbers
        net = build(arch, classes(arch)).eval()
        parameters = sum(parameter.numel() for parameter in net.parameters())
        built = [parameters, *(multiply_adds(net, side) for side in sides)]
    counted = [
        counting.parameters(arch, classes(arch)),
        *(counting.multiply_adds(arch, classes(arch), side) for side in sides),
    ]
    assert built == counted


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_network_of_the_catalogue_is_counted_as_built(name: str) -> None:
    assert_counted_as_built(CATALOGUE[name], (CATALOGUE[name].input_size,))


@pytest.mark.parametrize("stride", get_args(Stride))
@pytest.mark.parametrize("shortcut", get_args(Shortcut))
@pytest.mark.parametrize("arch", ["resnet20", "resnet34", "resnet50"])
def test_every_option_is_counted_as_built_at_any_size(
    arch: str, shortcut: Shortcut, stride: Stride
) -> None:
    assert_counted_as_built(archs.resolve(arch, shortcut=shortcut, stride=stride), (32, 97, 224))


@pytest.mark.parametrize(
    ("arch", "parameters"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
    ],
)
def test_the_imagenet_family_has_the_parameters_of_option_b(arch: str, parameters: int) -> None:
    assert counting.parameters(CATALOGUE[arch], 1000) == parameters


@pytest.mark.parametrize(
    ("arch", "billions"),
    [
        ("resnet18", 1.8),
        ("resnet34", 3.6),
        ("resnet50", 3.8),
        ("resnet101", 7.6),
        ("resnet152", 11.3),
    ],
)
def test_multiply_adds_are_those_of_table_1(arch: str, billions: float) -> None:
    counted = counting.multiply_adds(CATALOGUE[arch], 1000, 224)
    assert counted / 1e9 == pytest.approx(billions, abs=0.1)  # the paper cuts or rounds one digit


@pytest.mark.parametrize(
    ("arch", "millions"),
    [
        ("resnet20", 0.27),
        ("resnet32", 0.46),
        ("resnet44", 0.66),
        ("resnet56", 0.85),
        ("resnet110", 1.7),
        ("resnet1202", 19.4),
    ],
)
def test_parameters_are_those_of_table_6(arch: str, millions: float) -> None:
    counted = counting.parameters(CATALOGUE[arch], 10) / 1e6
    assert round(counted, 1 if millions > 1 else 2) == millions


@pytest.mark.parametrize("name", ["resnet20", "resnet34", "resnet50", "plain18"])
def test_the_block_table_adds_up(name: str) -> None:
    arch = CATALOGUE[name]
    rows = counting.block_table(arch, classes(arch), arch.input_size)
    assert sum(row.parameters for row in rows) == counting.parameters(arch, classes(arch))
    assert sum(row.multiply_adds for row in rows) == counting.multiply_adds(
        arch, classes(arch), arch.input_size
    )
    assert [row.blocks for row in rows] == [1, *(stage.blocks for stage in arch.stages), 1]
