"""Promises of a job's spec: every default is decided once, every mistake has a sentence."""

from typing import Any

import pytest
from pydantic import ValidationError

from trainer.contract.datasets import DATASETS
from trainer.contract.reasons import REMEDIES, Code
from trainer.contract.recipes import RECIPES
from trainer.contract.resolve import Unresolvable, resolve
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.transform import for_dataset

MINI = DATASETS["fashion-mnist-mini"]
LEAST = {"arch": "resnet20", "dataset": "fashion-mnist-mini"}


def _resolved(gpus: int = 0, **fields: Any) -> ResolvedSpec:
    return resolve(TrainSpec.model_validate(LEAST | fields), MINI, gpus=gpus)


def test_the_least_body_leaves_nothing_undecided() -> None:
    spec = _resolved()
    assert spec.epochs == 30
    assert spec.iterations == 30 * (5_000 // 128)
    assert spec.shortcut == "A"
    assert (spec.workers, spec.gpus_per_worker) == (2, 0)
    assert spec.per_worker_batch * spec.workers >= spec.batch_size == 128


def test_a_spec_survives_the_journey_to_the_worker() -> None:
    spec = _resolved(labels={"team": "vision"}, name="a name")
    assert ResolvedSpec.model_validate_json(spec.model_dump_json()) == spec


def test_on_gpus_there_is_a_worker_for_each() -> None:
    spec = _resolved(gpus=4)
    assert (spec.workers, spec.gpus_per_worker, spec.demand.gpus) == (4, 1, 4)


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 128])
def test_the_batch_is_global_however_many_workers(workers: int) -> None:
    spec = _resolved(workers=workers)
    assert spec.batch_size == 128
    assert 0 <= spec.per_worker_batch * workers - 128 < workers


def test_the_papers_recipe_is_64k_iterations_on_any_data() -> None:
    spec = _resolved(recipe="paper-cifar")
    assert spec.iterations == 64_000
    marks = [mark * spec.iterations for mark in spec.recipe.milestones]
    assert marks == [32_000, 48_000]


def test_an_override_changes_its_field_only() -> None:
    named, changed = _resolved().recipe, _resolved(recipe={"learning_rate": 0.05}).recipe
    assert changed.learning_rate == 0.05
    assert changed.model_copy(update={"learning_rate": named.learning_rate}) == named


def test_images_whose_mirror_means_something_else_are_not_mirrored() -> None:
    digits = TrainSpec(arch="resnet8", dataset="digits")
    assert not resolve(digits, DATASETS["digits"], gpus=0).recipe.flip
    asked = TrainSpec.model_validate(digits.model_dump() | {"recipe": {"flip": True}})
    assert resolve(asked, DATASETS["digits"], gpus=0).recipe.flip


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"arch": "resnet21"}, "6n+2"),
        ({"arch": "vgg99"}, "GET /archs"),
        ({"arch": "resnet"}, "needs a depth"),
        ({"arch": "resnet20", "depth": 32}, "disagree"),
        ({"arch": "plain20", "shortcut": "A"}, "no shortcuts"),
        ({"arch": "resnet50", "family": "cifar"}, None),
        ({"arch": "resnet20", "family": "imagenet"}, "18, 34, 50, 101, 152"),
        ({"batch_size": 6_000}, "smaller"),
        ({"workers": 200}, "fewer workers"),
        ({"arch": "resnet18", "workers": 65}, "at most 64 workers"),
    ],
)
def test_what_cannot_be_meant_says_how_to_mend_it(fields: dict[str, Any], says: str | None) -> None:
    if says is None:
        assert _resolved(**fields).depth == 50
    else:
        with pytest.raises(Unresolvable, match=says.replace("+", r"\+")):
            _resolved(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"epochz": 3},
        {"epochs": -1},
        {"epochs": 3, "iterations": 3},
        {"shortcut": "D"},
        {"kind": "magic"},
        {"dataset": "../etc"},
        {"labels": {"Not A Name": "x"}},
        {"recipe": "secret"},
        {"recipe": {"milestones": [0.7, 0.5]}},
        {"checkpoint_every": {"steps": 1, "epochs": 1}},
        {"workers": 0},
        {"seed": -1},
    ],
)
def test_a_field_out_of_range_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainSpec.model_validate(LEAST | fields)


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_transform_ends_at_the_networks_input(name: str) -> None:
    transform = for_dataset(DATASETS[name])
    assert transform.resize + 2 * transform.pad == transform.input_size == DATASETS[name].input_size


def test_every_reason_has_a_remedy() -> None:
    assert set(REMEDIES) == set(Code)


def test_every_recipe_has_a_length() -> None:
    for _, length in RECIPES.values():
        assert (length.epochs is None) != (length.iterations is None)
