"""The learning rate: the paper's steps, and the warm-up that it does not have."""

import pytest

from trainer.contract.recipes import RECIPES, Recipe
from trainer.training.schedule import learning_rate

PAPER = RECIPES["paper-cifar"][0]


def rate(step: int, recipe: Recipe = PAPER, iterations: int = 64_000) -> float:
    return learning_rate(recipe, step, iterations=iterations, steps_per_epoch=100)


def test_the_paper_divides_the_rate_by_ten_after_32k_and_48k_iterations() -> None:
    assert [rate(step) for step in (0, 31_999)] == [0.1, 0.1]
    assert [rate(step) for step in (32_000, 47_999)] == [pytest.approx(0.01)] * 2
    assert [rate(step) for step in (48_000, 63_999)] == [pytest.approx(0.001)] * 2


def test_the_milestones_scale_with_the_length() -> None:
    rates = [rate(step, iterations=4) for step in range(4)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_the_warm_up_rises_evenly_to_the_full_rate() -> None:
    warm = PAPER.model_copy(update={"warmup_epochs": 0.05})
    rates = [rate(step, warm) for step in range(7)]
    assert rates == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1])
