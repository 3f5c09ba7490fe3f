"""Promises of a job's spec: every default is decided once, every mistake has a sentence."""

from typing import Any

import pytest
from pydantic import ValidationError

from trainer.contract.archs import Architecture
from trainer.contract.baselines import BASELINES
from trainer.contract.datasets import DATASETS
from trainer.contract.reasons import REMEDIES, Code
from trainer.contract.recipes import RECIPES, Recipe, RecipeFields
from trainer.contract.resolve import lengthened, resolve, sized
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.suits import Unresolvable
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


@pytest.mark.parametrize("present", range(1, 9))
def test_the_batch_is_global_however_many_elastic_workers_there_are(present: int) -> None:
    asked = _resolved(workers={"min": 1, "max": 8}, batch_size=100)
    given = sized(asked, present)
    assert isinstance(given, ResolvedSpec)
    assert (given.batch_size, given.workers, given.min_workers) == (100, present, 1)
    shares = present * given.accumulation
    assert shares >= 8
    assert 0 <= given.per_worker_batch * shares - 100 < shares
    assert given.per_worker_batch <= asked.per_worker_batch, "it would need more memory"


def test_no_turn_of_an_elastic_worker_is_without_images() -> None:
    given = sized(_resolved(workers={"min": 1, "max": 4}, batch_size=4), 3)
    assert isinstance(given, ResolvedSpec)
    assert (given.accumulation, given.per_worker_batch) == (1, 2)


def test_with_all_its_workers_an_elastic_job_is_like_any_other() -> None:
    elastic, fixed = _resolved(workers={"min": 2, "max": 4}), _resolved(workers=4)
    assert sized(elastic, 4) == elastic
    assert elastic == fixed.model_copy(update={"min_workers": 2})
    assert (elastic.least_workers, fixed.least_workers) == (2, 4)


def test_a_range_of_workers_is_refused_with_a_sentence_when_it_is_none() -> None:
    with pytest.raises(ValidationError, match="'min' is 3, more than 'max', 2"):
        _resolved(workers={"min": 3, "max": 2})


def test_a_longer_training_is_the_same_one_over_more_epochs() -> None:
    spec = _resolved(epochs=2)
    assert lengthened(spec, 5) == _resolved(epochs=5)
    assert lengthened(spec, 2) == spec


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
        ({"arch": "resnet18", "stem": "paper", "workers": 65}, "at most 64 workers"),
        ({"arch": "resnet20", "stem": "small"}, "leave 'stem' out"),
        ({"arch": "vgg16", "stem": "small"}, "leave 'stem' out"),
        ({"arch": "vgg16", "shortcut": "B"}, "leave 'shortcut' out"),
        ({"arch": "nin", "depth": 20}, "leave 'depth' and 'family' out"),
        ({"arch": "highway19", "input_size": 64}, "set input_size to 32"),
        ({"arch": "googlenet", "input_size": 16}, "32 pixels at least"),
        ({"arch": "nin", "checkpoint_activations": True}, "computed again"),
        ({"arch": "maxout", "protocol": "multi-scale"}, "choose center or 10-crop"),
        ({"arch": "nin", "recipe": {"progressive_from": 0.5}}, "set progressive_from to 1"),
        ({"arch": "vgg16", "recipe": {"progressive_from": 0.5}}, "they begin with 16"),
        ({"holdout": 5_000}, "keep back fewer"),
        ({"holdout": 4_900}, "100 training images"),
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
        {"recipe": {"shorter_side": [480, 256]}},
        {"recipe": {"shorter_side": [200, 256]}},
        {"recipe": {"ema_decay": 1}},
        {"protocol": "12-crop"},
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
    for named in RECIPES.values():
        assert (named.length.epochs is None) != (named.length.iterations is None)


def test_every_field_of_a_recipe_can_be_overridden() -> None:
    assert set(RecipeFields.model_fields) == set(Recipe.model_fields)


def test_the_papers_recipes_have_nothing_that_came_later() -> None:
    for name in ("paper-cifar", "paper-imagenet"):
        recipe = RECIPES[name].recipe
        later = (recipe.label_smoothing, recipe.ema_decay, recipe.mixup, recipe.cutmix)
        assert later == (0, 0, 0, 0)
        assert recipe.progressive_from == 1
        assert not recipe.zero_init
        assert not recipe.nesterov
        assert recipe.decay_norm_and_bias
        assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay) == (0.1, 0.9, 1e-4)


def test_110_layers_and_more_start_low_by_the_papers_recipe() -> None:
    for depth, below in ((56, 0), (110, 80), (1202, 80)):
        recipe = _resolved(arch=f"resnet{depth}", recipe="paper-cifar").recipe
        assert recipe.start_error == below
    assert recipe.start_rate == 0.01
    never = {"name": "paper-cifar", "start_error": 0}
    assert _resolved(arch="resnet110", recipe=never).recipe.start_error == 0


@pytest.mark.parametrize(
    ("fields", "stem"),
    [
        ({"arch": "resnet50"}, "small"),
        ({"arch": "resnet50", "stem": "paper"}, "paper"),
        ({"arch": "resnet50", "input_size": 64}, "small"),
        ({"arch": "resnet50", "input_size": 65}, "paper"),
        ({"arch": "resnet20"}, "paper"),
    ],
)
def test_an_imagenet_network_gets_the_stem_that_fits_its_images(
    fields: dict[str, Any], stem: str
) -> None:
    spec = _resolved(**fields)
    assert spec.stem == stem
    assert isinstance(spec.network, Architecture)
    assert spec.network.stem == stem


def test_a_network_without_batch_normalisation_learns_at_a_tenth_of_the_rate() -> None:
    assert _resolved(arch="vgg16").recipe.learning_rate == 0.01
    assert _resolved(arch="googlenet").recipe.learning_rate == 0.1
    said = _resolved(arch="vgg16", recipe={"learning_rate": 0.05})
    assert said.recipe.learning_rate == 0.05


def test_growing_images_that_begin_at_one_pixels_worth_want_two_images_a_worker() -> None:
    """Half of 68 is more than 32, but growing images are multiples of 4, and 32 leaves one pixel."""
    body: dict[str, Any] = {"arch": "resnet18", "stem": "paper", "input_size": 68, "workers": 65}
    assert _resolved(**body).workers == 65
    with pytest.raises(Unresolvable, match="at most 64 workers"):
        _resolved(**body, recipe={"progressive_from": 0.5})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"arch": "resnet21"}, "arch"),
        ({"arch": "plain20", "shortcut": "A"}, "shortcut"),
        ({"arch": "resnet20", "stem": "small"}, "stem"),
        ({"arch": "vgg16", "stride": "v1.5"}, "stride"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Unresolvable) as refused:
        _resolved(**fields)
    assert refused.value.field == field


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_baseline_of_the_papers_tables_can_be_asked_for_by_name(name: str) -> None:
    spec = _resolved(arch=name)
    assert spec.network == BASELINES[name]
    assert ResolvedSpec.model_validate_json(spec.model_dump_json()).network == BASELINES[name]


def test_a_holdout_shortens_the_epoch() -> None:
    assert _resolved(holdout=1_000).steps_per_epoch == 4_000 // 128


def test_another_input_size_is_reached_by_resizing() -> None:
    assert _resolved(input_size=64).input_size == 64
    transform = for_dataset(MINI, 64)
    assert (transform.resize, transform.pad, transform.input_size) == (64, 0, 64)
    assert for_dataset(MINI, MINI.input_size) == for_dataset(MINI)
