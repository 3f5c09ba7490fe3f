"""Promises of naming a network: every name means one, and a wrong one is told what would be right."""

import re

import pytest
from pydantic import ValidationError

from trainer.contract import archs
from trainer.contract.archs import Architecture, NoSuchNetwork, Shortcut, Stem, Stride
from trainer.contract.baselines import BASELINES
from trainer.contract.family import Family
from trainer.contract.spec import TrainSpec
from trainer.contract.weighted import layers


def test_every_name_of_the_catalogue_means_its_network() -> None:
    for name, arch in archs.catalogue().items():
        assert archs.resolve(name) == arch
        assert arch.name == name


@pytest.mark.parametrize("depth", [20, 34, 110])
def test_a_name_and_a_depth_mean_the_same(depth: int) -> None:
    assert archs.resolve("resnet", depth=depth) == archs.resolve(f"resnet{depth}")
    assert archs.resolve(f"plain{depth}", depth=depth) == archs.resolve("plain", depth=depth)


@pytest.mark.parametrize("n", [1, 2, 4, 200])
def test_any_6n_plus_2_is_a_cifar_network(n: int) -> None:
    arch = archs.resolve("resnet", depth=6 * n + 2, family=Family.CIFAR)
    assert isinstance(arch, Architecture)
    assert [stage.blocks for stage in arch.stages] == [n, n, n]
    assert [(stage.width, stage.stride) for stage in arch.stages] == [(16, 1), (32, 2), (64, 2)]


def test_depths_count_the_weighted_layers() -> None:
    for name, arch in archs.catalogue().items():
        weighted = [
            layer
            for layer in layers(arch, 10, arch.input_size)
            if not (layer.shortcut or layer.auxiliary or is_beside(layer.row, layer.block))
        ]
        assert len(weighted) == arch.depth, name


def is_beside(row: str, branch: int) -> bool:
    """Whether a layer is in another branch of an inception module than the 3×3: depth is one way through."""
    return row.startswith("inception") and branch != 1


@pytest.mark.parametrize(
    ("arch", "shortcut"), [("resnet20", "A"), ("resnet18", "B"), ("resnet152", "B")]
)
def test_the_default_shortcut_is_the_familys(arch: str, shortcut: Shortcut) -> None:
    found = archs.resolve(arch)
    assert isinstance(found, Architecture)
    assert found.shortcut == shortcut


@pytest.mark.parametrize("arch", ["resnext50", "", "ResNet20", "resnet-20", "resnet20x", "plain²"])
def test_an_unknown_network_is_told_where_the_names_are(arch: str) -> None:
    with pytest.raises(ValueError, match="GET /archs"):
        archs.resolve(arch)


@pytest.mark.parametrize(("depth", "near"), [(21, 20), (111, 110), (3, 8), (2000, 1202)])
def test_another_depth_than_6n_plus_2_is_told_one_that_is(depth: int, near: int) -> None:
    with pytest.raises(ValueError, match=rf"6n\+2.* {near} is one"):
        archs.resolve("resnet", depth=depth)


def test_a_depth_the_imagenet_family_lacks_is_told_those_it_has() -> None:
    with pytest.raises(ValueError, match="18, 34, 50, 101, 152"):
        archs.resolve("resnet", depth=20, family=Family.IMAGENET)


def test_a_missing_depth_is_asked_for() -> None:
    with pytest.raises(ValueError, match="needs a depth"):
        archs.resolve("plain")


def test_a_name_and_another_depth_disagree() -> None:
    with pytest.raises(ValueError, match="disagree"):
        archs.resolve("resnet20", depth=32)


def test_a_plain_network_takes_no_shortcut() -> None:
    with pytest.raises(ValueError, match="no shortcuts"):
        archs.resolve("plain20", shortcut="A")


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_has_one_depth_and_one_family_and_no_options(name: str) -> None:
    network = BASELINES[name]
    assert archs.resolve(name, depth=network.depth, family=network.family) == network
    with pytest.raises(NoSuchNetwork, match="leave 'depth' and 'family' out"):
        archs.resolve(name, depth=network.depth + 1)
    options: list[tuple[str, Shortcut | None, Stride, Stem]] = [
        ("shortcut", "A", "v1", "paper"),
        ("stride", None, "v1.5", "paper"),
        ("stem", None, "v1", "small"),
    ]
    for field, shortcut, stride, stem in options:
        with pytest.raises(NoSuchNetwork, match=f"leave '{field}' out") as refused:
            archs.resolve(name, shortcut=shortcut, stride=stride, stem=stem)
        assert refused.value.field == field


def test_every_baseline_names_its_source() -> None:
    for network in BASELINES.values():
        assert re.search(r": .*, 201[345]", network.source), network.source


def test_a_cifar_network_has_no_smaller_stem() -> None:
    with pytest.raises(NoSuchNetwork, match="leave 'stem' out"):
        archs.resolve("resnet20", stem="small")


def test_there_is_no_shortcut_d() -> None:
    for make in (Architecture.model_validate, TrainSpec.model_validate):
        with pytest.raises(ValidationError, match="'A', 'B' or 'C'"):
            make({"family": "cifar", "depth": 20, "shortcut": "D"})
