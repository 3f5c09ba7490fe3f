"""The learning rate of each recipe at its corners, and what moves it besides the step."""

from functools import reduce

import pytest
import torch

from tests.training.small_runs import ALONE, small_spec
from trainer.contract.recipes import RECIPES, Recipe, RecipeFields, complete
from trainer.training.schedule import LearningRate, Progress, after_validation, learning_rate

CIFAR = RECIPES["paper-cifar"].recipe
IMAGENET = RECIPES["paper-imagenet"].recipe
DEFAULT = RECIPES["default"].recipe
DEEP = complete(RecipeFields(name="paper-cifar"), flip=True, depth=110)


def rate(
    step: int,
    recipe: Recipe = CIFAR,
    iterations: int = 64_000,
    progress: Progress = Progress(),
) -> float:
    return learning_rate(recipe, step, progress, iterations=iterations, steps_per_epoch=100)


def test_the_paper_divides_the_rate_by_ten_after_32k_and_48k_iterations() -> None:
    assert [rate(step) for step in (0, 31_999)] == [0.1, 0.1]
    assert [rate(step) for step in (32_000, 47_999)] == [pytest.approx(0.01)] * 2
    assert [rate(step) for step in (48_000, 63_999)] == [pytest.approx(0.001)] * 2


def test_the_milestones_scale_with_the_length() -> None:
    rates = [rate(step, iterations=4) for step in range(4)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_the_warm_up_rises_evenly_to_the_full_rate() -> None:
    warm = CIFAR.model_copy(update={"warmup_epochs": 0.05})
    rates = [rate(step, warm) for step in range(7)]
    assert rates == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1])


def test_the_cosine_falls_from_the_end_of_the_warm_up_to_nearly_zero() -> None:
    """One epoch of warm-up, then half a cosine over the 2,900 steps that are left."""
    rates = [rate(step, DEFAULT, 3000) for step in (0, 99, 100, 825, 1550, 2275)]
    assert rates == pytest.approx([0.001, 0.1, 0.1, 0.0853553, 0.05, 0.0146447], rel=1e-5)
    assert 0 < rate(2999, DEFAULT, 3000) < 1e-7


def test_a_run_that_ends_in_its_warm_up_only_rises() -> None:
    rates = [rate(step, DEFAULT, 4) for step in range(4)]
    assert rates == pytest.approx([0.001, 0.002, 0.003, 0.004])


def plateaus(recipe: Recipe, errors: list[float]) -> list[int]:
    """Drops after each of these validations."""
    drops, progress = [], Progress()
    for error in errors:
        progress = after_validation(recipe, progress, error)
        drops.append(progress.drops)
    return drops


def test_the_rate_drops_after_exactly_so_many_validations_without_a_new_lowest_error() -> None:
    recipe = IMAGENET.model_copy(update={"plateau_epochs": 3})
    errors = [50.0, 40, 45, 41, 39, 39, 39.5, 39, 44, 43, 42, 41]
    assert plateaus(recipe, errors) == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2]


def test_an_error_that_is_lower_by_no_more_than_the_margin_does_not_count() -> None:
    recipe = IMAGENET.model_copy(update={"plateau_epochs": 2, "plateau_margin": 1.0})
    assert plateaus(recipe, [50.0, 49.5, 49, 48, 47.5, 46.5, 46]) == [0, 0, 1, 1, 1, 1, 1]


def test_each_plateau_divides_the_rate_of_the_imagenet_recipe_by_ten() -> None:
    after = [rate(599_999, IMAGENET, 600_000, Progress(drops=drops)) for drops in range(3)]
    assert after == pytest.approx([0.1, 0.01, 0.001])
    errors = [30.0] * 21
    end = reduce(lambda at, error: after_validation(IMAGENET, at, error), errors, Progress())
    assert end.drops == 2


def low_start(error: float = 80.0) -> LearningRate:
    spec = small_spec(iterations=400, recipe={"name": "paper-cifar", "start_error": error})
    return LearningRate(spec, ALONE)


def tell(rate: LearningRate, steps: range, wrong: int) -> None:
    """Batches of 100 images."""
    for step in steps:
        rate.trained(step + 1, torch.tensor([1.0, wrong, 0, 100], dtype=torch.float64))


def test_110_layers_start_low_until_a_block_of_50_steps_has_an_error_below_80_percent() -> None:
    assert (DEEP.start_rate, DEEP.start_error) == (0.01, 80.0)
    rate = low_start()
    tell(rate, range(50), wrong=85)
    tell(rate, range(50, 75), wrong=85)
    tell(rate, range(75, 100), wrong=75)  # 80 % in this block: not below
    assert rate.at(100) == 0.01
    tell(rate, range(100, 149), wrong=79)
    assert rate.at(149) == 0.01
    tell(rate, range(149, 150), wrong=79)
    assert rate.at(150) == 0.1
    tell(rate, range(150, 200), wrong=99)  # never again
    assert rate.at(200) == pytest.approx(0.01)  # the milestone at half of 400 steps


def test_a_low_start_goes_on_in_the_middle_of_a_block() -> None:
    undisturbed, first, second = low_start(), low_start(), low_start()
    tell(undisturbed, range(50), wrong=79)
    tell(first, range(30), wrong=79)
    second.progress = Progress.model_validate_json(first.now().model_dump_json())
    assert (second.progress.wrong, second.progress.images) == (30 * 79, 3000)
    tell(second, range(30, 50), wrong=79)
    assert second.now() == undisturbed.now() == Progress(started=True)


def test_without_a_low_start_nothing_is_counted() -> None:
    rate = low_start(error=0)
    tell(rate, range(60), wrong=99)
    assert rate.now() == Progress()
    assert rate.at(60) == 0.1
