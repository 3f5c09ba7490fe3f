"""Counts that are shown without building a network are those of the built network, and the paper's."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from trainer.contract import archs, counting
from trainer.contract.archs import Architecture, Network, Shortcut, Stride
from trainer.contract.baselines import BASELINES
from trainer.contract.family import Family
from trainer.models.build import build

CATALOGUE = archs.catalogue()


def classes(network: Network) -> int:
    return 1000 if network.family is Family.IMAGENET else 10


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


def assert_counted_as_built(arch: Network, sides: tuple[int, ...]) -> None:
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


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "plain34"])
def test_the_small_stem_is_counted_as_built(name: str) -> None:
    small = archs.resolve(name, stem="small")
    assert_counted_as_built(small, (32, 33, 64))
    saved = counting.parameters(CATALOGUE[name], 10) - counting.parameters(small, 10)
    assert saved == (7**2 - 3**2) * 3 * 64


@pytest.mark.parametrize("name", [n for n, b in BASELINES.items() if b.family is Family.IMAGENET])
def test_baselines_for_large_images_are_counted_as_built_at_any_size(name: str) -> None:
    assert_counted_as_built(BASELINES[name], (32, 97, 256))


@pytest.mark.parametrize("name", BASELINES)
def test_the_number_of_classes_is_counted_as_built(name: str) -> None:
    with torch.device("meta"):
        built = sum(parameter.numel() for parameter in build(BASELINES[name], 7).parameters())
    assert counting.parameters(BASELINES[name], 7) == built


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("nin", 966_986),
        ("googlenet", 6_624_904 + 6_379_984),  # torchvision's, and the auxiliary classifiers'
    ],
)
def test_baselines_have_the_parameters_that_are_known_of_them(name: str, parameters: int) -> None:
    assert counting.parameters(CATALOGUE[name], classes(CATALOGUE[name])) == parameters


@pytest.mark.parametrize(
    ("name", "billions", "within"),
    [
        ("vgg16", 15.3, 0.2),  # without the fully connected layers: 15.35
        ("vgg19", 19.6, 0.05),
        ("prelunet", 19.0, 0.1),  # Table 3 of its source
        ("googlenet", 1.5, 0.05),  # "about 1.5 billion" in the text of its source
    ],
)
def test_multiply_adds_of_baselines_are_those_in_print(
    name: str, billions: float, within: float
) -> None:
    counted = counting.multiply_adds(CATALOGUE[name], 1000, 224)
    assert counted / 1e9 == pytest.approx(billions, abs=within)


@pytest.mark.parametrize(
    ("arch", "parameters"),
    [
        ("resnet20", 269_722),
        ("resnet32", 464_154),
        ("resnet44", 658_586),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
        ("resnet1202", 19_421_274),
    ],
)
def test_option_a_has_its_exact_parameters_and_none_more_than_plain(
    arch: str, parameters: int
) -> None:
    assert counting.parameters(CATALOGUE[arch], 10) == parameters
    plain = archs.resolve(arch.replace("resnet", "plain"))
    assert counting.parameters(plain, 10) == parameters


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
        ("fitnet19", 2.5),
        ("highway19", 2.3),
        ("highway32", 1.25),
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
    assert round(counted, 2 if millions in (0.27, 0.46, 0.66, 0.85, 1.25) else 1) == millions


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_block_table_adds_up(name: str) -> None:
    arch = CATALOGUE[name]
    rows = counting.block_table(arch, classes(arch), arch.input_size)
    assert sum(row.parameters for row in rows) == counting.parameters(arch, classes(arch))
    assert sum(row.multiply_adds for row in rows) == counting.multiply_adds(
        arch, classes(arch), arch.input_size
    )
    if isinstance(arch, Architecture):
        assert [row.blocks for row in rows] == [1, *(stage.blocks for stage in arch.stages), 1]


@pytest.mark.parametrize(
    ("name", "row", "block", "blocks"),
    [
        ("resnet18", "conv2_x", "3×3, 64, 3×3, 64", 2),
        ("vgg19", "conv5", "3×3, 512", 4),
        ("nin", "mlpconv1", "5×5, 192; 1×1, 160; 1×1, 96", 1),
        ("maxout", "fc4", "500-d fc (maxout 5)", 1),
        ("highway19", "highway2", "highway 3×3, 80", 5),
        ("googlenet", "auxiliary", "1×1, 128, 1024-d fc, 1000-d fc", 2),
    ],
)
def test_the_block_table_shows_what_a_block_is_made_of(
    name: str, row: str, block: str, blocks: int
) -> None:
    network = CATALOGUE[name]
    rows = counting.block_table(network, classes(network), network.input_size)
    assert [(r.block, r.blocks) for r in rows if r.layer == row] == [(block, blocks)]


def test_checkpointed_activations_are_the_blocks_outputs_and_one_block() -> None:
    arch = archs.resolve("resnet8")
    outputs = 32**2 * 16 + 32**2 * 16 + 16**2 * 32 + 8**2 * 64  # the stem's, and three blocks'
    assert counting.activations(arch, 32, checkpointed=True) == outputs + 2 * 3 * 16 * 32**2
    deep = archs.resolve("resnet1202")
    assert counting.activations(deep, 32, checkpointed=True) < counting.activations(deep, 32) / 5
