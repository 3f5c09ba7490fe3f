"""Promises of the paper's tables and figures as sweeps."""

import pytest

from tests.sweeps.made_up import DATA, spec
from trainer.contract.presets import PRESETS, Preset, expand, find
from trainer.contract.suits import Unresolvable

EVERY = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))

MINI = DATA["fashion-mnist-mini"]


@EVERY
def test_every_point_is_a_training_on_the_paper_s_data(preset: Preset) -> None:
    design = expand(preset.name, dataset=DATA[preset.dataset])
    for point in design.points:
        training = spec(point, **design.base)
        assert training.arch == point["arch"]
        assert training.recipe.name == preset.recipe
        assert training.iterations == {"cifar10": 64_000, "imagenet": 600_000}[preset.dataset]
        assert training.batch_size == {"cifar10": 128, "imagenet": 256}[preset.dataset]
        assert training.stride == "v1"


@EVERY
@pytest.mark.parametrize("data", ["fashion-mnist-mini", "digits", "cifar10", "imagenet"])
def test_every_point_is_a_training_on_other_data_too(preset: Preset, data: str) -> None:
    design = expand(preset.name, dataset=DATA[data], scale=0.01)
    trainings = [spec(point, **design.base) for point in design.points]
    assert {training.dataset for training in trainings} == {data}
    assert {training.iterations for training in trainings} == {design.iterations}


@EVERY
def test_no_training_is_done_twice(preset: Preset) -> None:
    assert len({str(point) for point in preset.points}) == len(preset.points)


@EVERY
def test_a_preset_is_one_table_or_one_figure(preset: Preset) -> None:
    assert (preset.table is None) != (preset.figure is None)
    kind, number = preset.reproduces.split()
    assert preset.name == f"paper-{ {'Table': 'table', 'Fig.': 'figure'}[kind] }-{number}"


def test_all_that_are_promised_are_there() -> None:
    tables = [f"paper-table-{number}" for number in (2, 3, 4, 5, 6)]
    figures = [f"paper-figure-{number}" for number in (1, 4, 6, 7)]
    assert list(PRESETS) == tables + figures


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        ("paper-figure-1", "plain20 plain56"),
        ("paper-figure-4", "plain18 plain34 resnet18 resnet34"),
        (
            "paper-figure-6",
            "plain20 plain32 plain44 plain56 resnet20 resnet32 resnet44 resnet56 resnet110 resnet1202",
        ),
        ("paper-figure-7", "plain20 plain56 resnet20 resnet56 resnet110"),
    ],
)
def test_figures_show_the_networks_that_the_paper_s_show(name: str, networks: str) -> None:
    assert [point["arch"] for point in find(name).points] == networks.split()


def test_the_network_of_110_layers_is_trained_five_times_for_table_6() -> None:
    points = [point for point in find("paper-table-6").points if point["arch"] == "resnet110"]
    assert [point["seed"] for point in points] == [0, 1, 2, 3, 4]


def test_table_5_is_an_ensemble_of_six() -> None:
    preset = find("paper-table-5")
    assert len(preset.points) == 6
    assert preset.afterwards
    assert (preset.afterwards.kind, preset.afterwards.protocol) == ("ensemble", "multi-scale")


def test_only_figure_7_looks_into_the_networks() -> None:
    kinds = {name: preset.afterwards.kind for name, preset in PRESETS.items() if preset.afterwards}
    assert kinds == {"paper-table-5": "ensemble", "paper-figure-7": "analysis"}


def test_a_scale_shortens_and_changes_nothing_else() -> None:
    whole = expand("paper-figure-6", dataset=DATA["cifar10"])
    part = expand("paper-figure-6", dataset=DATA["cifar10"], scale=0.25)
    assert part.iterations == 16_000
    assert part.full_iterations == whole.iterations == 64_000
    assert part.base == whole.base | {"iterations": 16_000}
    assert part.points == whole.points
    assert spec(part.points[0], **part.base).recipe == spec(whole.points[0], **whole.base).recipe


def test_the_shortest_training_sees_every_image_once() -> None:
    design = expand("paper-table-2", dataset=DATA["imagenet"], scale=1e-6)
    assert design.iterations == 1_281_167 // 256
    assert spec(design.points[0], **design.base).epochs == 1


def test_no_training_is_longer_than_the_paper_s() -> None:
    huge = DATA["cifar10"].model_copy(update={"train_images": 128 * 100_000})
    assert expand("paper-figure-1", dataset=huge, scale=0.5).iterations == 64_000


@pytest.mark.parametrize("scale", [0.0, -0.5, 1.01, float("nan")])
def test_a_scale_that_is_no_part_is_refused(scale: float) -> None:
    with pytest.raises(Unresolvable, match="above 0, 1 at most") as refused:
        expand("paper-table-6", dataset=MINI, scale=scale)
    assert refused.value.field == "scale"


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(
        Unresolvable, match=r"'paper-table-1'.*paper-table-2.*paper-figure-7"
    ) as refused:
        find("paper-table-1")
    assert refused.value.field == "preset"


def test_large_images_are_made_small_for_networks_of_small_images() -> None:
    assert expand("paper-table-6", dataset=DATA["imagenet"]).base["input_size"] == 32
    assert "input_size" not in expand("paper-table-6", dataset=DATA["cifar10"]).base
    assert "input_size" not in expand("paper-table-3", dataset=DATA["imagenet"]).base
