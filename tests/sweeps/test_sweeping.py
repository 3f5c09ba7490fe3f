"""What a request for a sweep comes to, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.errors import Invalid
from tests.sweeps.asking import asked, decided, sweep
from trainer.contract.spec import ResolvedSpec


def test_a_grid_has_all_of_its_points_and_each_is_a_training() -> None:
    found = decided(space={"depth": [20, 32], "shortcut": ["A", "B", "C"]})
    assert [(trial.depth, trial.shortcut) for trial in found.trials] == [
        (depth, shortcut) for depth in (20, 32) for shortcut in "ABC"
    ]
    assert all(isinstance(trial, ResolvedSpec) for trial in found.trials)


def test_a_plain_network_has_no_shortcut_and_is_trained_once() -> None:
    spec = sweep(
        arch=None, space={"arch": ["plain", "resnet"], "depth": [20], "shortcut": ["A", "B"]}
    )
    assert spec.points == (
        {"arch": "plain", "depth": 20},
        {"arch": "resnet", "depth": 20, "shortcut": "A"},
        {"arch": "resnet", "depth": 20, "shortcut": "B"},
    )
    assert spec.trials == 3


def test_each_point_is_trained_with_each_seed() -> None:
    spec = sweep(seed=5, search={"seeds": 3})
    assert [(point["depth"], point["seed"]) for point in spec.points or ()] == [
        (depth, seed) for depth in (20, 32) for seed in (5, 6, 7)
    ]


def test_drawn_points_repeat_with_other_seeds() -> None:
    rates = {"recipe.learning_rate": {"min": 0.01, "max": 1.0}}
    spec = sweep(depth=20, space=rates, search={"name": "random", "trials": 2, "seeds": 2})
    points = [spec.point(number) for number in range(1, spec.trials + 1)]
    assert [point["seed"] for point in points] == [0, 1, 0, 1]
    assert len({point["recipe.learning_rate"] for point in points}) == 2


def test_asha_meets_the_points_of_a_grid_in_an_order_of_chance() -> None:
    seeds = list(range(20))
    spec = sweep(depth=20, space={"seed": seeds}, search="asha")
    met = [point["seed"] for point in spec.points or ()]
    assert sorted(map(str, met)) == sorted(map(str, seeds))
    assert met != seeds
    assert sweep(depth=20, space={"seed": seeds}, search="asha").points == spec.points


def test_as_many_trials_run_at_once_as_the_cluster_holds() -> None:
    assert sweep().search.at_once == 4
    assert sweep(workers=3).search.at_once == 1
    assert sweep(workers=64).search.at_once == 1
    assert sweep(search={"at_once": 2}).search.at_once == 2


def test_the_sweep_itself_takes_nothing_of_the_cluster() -> None:
    demand = sweep(workers=4).demand
    assert (demand.cpus, demand.gpus) == (0, 0)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"space": {}}, "Nothing varies"),
        ({"space": [{}]}, "Nothing varies"),
        ({"space": {"dept": [20]}}, "no field 'dept'"),
        ({"space": {"name": ["a", "b"]}}, "no field 'name'"),
        ({"space": {"recipe.rate": [0.1]}}, "no field 'rate'"),
        ({"space": {"depth": [20, 21]}}, "depth 21: the CIFAR family"),
        ({"space": {"depth": [20, "deep"]}}, "depth deep: 'depth'"),
        ({"space": {"depth": list(range(1000)), "seed": list(range(1000))}}, "1,000,000 points"),
        ({"space": {"recipe.learning_rate": {"min": 0.1, "max": 1}}}, "has no end of points"),
        ({"dataset": None}, "'dataset': Field required"),
        ({"space": {"epochs": [1, 2]}, "iterations": 5}, "either 'epochs' or 'iterations'"),
        ({"space": {"depth.layers": [20]}, "depth": 20}, "leads nowhere"),
        (
            {
                "space": {"batch_size": {"min": 64, "max": 5000}},
                "depth": 20,
                "search": {"name": "random", "trials": 5},
            },
            "batch_size 5000",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_swept_is_refused_in_a_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        decided(**fields)
    assert refused.value.field == "space"


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ("random", "needs 'trials'"),
        ({"name": "grid", "trials": 3}, "leave 'trials' out"),
        ({"name": "optuna", "trials": 3, "seeds": 2}, "leave 'seeds' out"),
        ("annealing", "Input should be"),
    ],
    ids=str,
)
def test_a_search_that_cannot_be_is_refused(search: object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        asked(search=search)


def test_a_preset_is_a_sweep_of_its_networks() -> None:
    spec = sweep(
        space=None, arch=None, preset="paper-figure-1", scale=0.01, dataset="fashion-mnist-mini"
    )
    assert [point["arch"] for point in spec.points or ()] == ["plain20", "plain56"]
    assert (spec.preset, spec.scale) == ("paper-figure-1", 0.01)
    assert spec.base["recipe"] == "paper-cifar"
    assert spec.base["iterations"] == 640


def test_what_is_said_beside_a_preset_holds() -> None:
    more = {"epochs": 2, "batch_size": 64, "workers": 1}
    found = decided(
        space=None, arch=None, preset="paper-figure-1", dataset="fashion-mnist-mini", **more
    )
    assert {(trial.epochs, trial.batch_size, trial.workers) for trial in found.trials} == {
        (2, 64, 1)
    }


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"preset": "paper-table-9"}, "there are paper-table-2"),
        ({"preset": "paper-table-3", "dataset": "mars"}, "no data set 'mars'"),
    ],
    ids=str,
)
def test_a_preset_that_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        decided(**({"space": None, "arch": None} | fields))


def test_a_preset_says_its_own_points() -> None:
    with pytest.raises(ValidationError, match="either 'space' or 'preset'"):
        asked(preset="paper-table-6")
    with pytest.raises(ValidationError, match="'scale' belongs to 'preset'"):
        asked(scale=0.5)
