"""The space of a sweep: its points, counted or drawn, and the trainings at them."""

from itertools import islice

import pytest
from pydantic import JsonValue, TypeAdapter, ValidationError

from trainer.contract import space
from trainer.contract.space import Point, Range, Space

SPACE: Space = {"depth": [20, 32], "shortcut": ["A", "B", "C"]}
RATES: Space = {"recipe.learning_rate": Range(min=0.01, max=1.0, log=True), "depth": [20, 32]}


def test_each_combination_of_the_axes_is_a_point() -> None:
    points = list(space.points(SPACE))
    assert len(points) == space.size(SPACE) == 6
    assert points[:2] == [{"depth": 20, "shortcut": "A"}, {"depth": 20, "shortcut": "B"}]


def test_points_that_are_given_are_the_points() -> None:
    given: Space = [{"arch": "vgg16"}, {"arch": "resnet34", "shortcut": "C"}]
    assert list(space.points(given)) == given
    assert space.is_finite(given)


def test_a_drawn_point_depends_on_the_seed_and_its_number_alone() -> None:
    drawn = [space.drawn(RATES, seed=7, number=n) for n in range(1, 21)]
    assert drawn == [space.drawn(RATES, seed=7, number=n) for n in range(1, 21)]
    assert drawn[4] == space.drawn(RATES, seed=7, number=5)
    assert drawn[:5] != [space.drawn(RATES, seed=8, number=n) for n in range(1, 6)]
    assert len({space.canonical(point) for point in drawn}) == 20


@pytest.mark.parametrize(
    "axis",
    [Range(min=1, max=4), Range(min=0.5, max=0.75), Range(min=1, max=1000, log=True)],
    ids=str,
)
def test_a_range_is_never_left_and_keeps_its_kind(axis: Range) -> None:
    given: Space = {"x": axis}
    values = [space.drawn(given, seed=0, number=n)["x"] for n in range(200)]
    assert all(isinstance(value, int if axis.whole else float) for value in values)
    assert all(axis.min <= float(str(value)) <= axis.max for value in values)


def test_by_factors_small_rates_are_drawn_as_often_as_large_ones() -> None:
    given: Space = {"x": Range(min=0.001, max=1.0, log=True)}
    values = [float(str(space.drawn(given, seed=0, number=n)["x"])) for n in range(600)]
    below = [sum(value < bound for value in values) / 600 for bound in (0.01, 0.1)]
    assert below == pytest.approx([1 / 3, 2 / 3], abs=0.07)


def test_ranges_are_tried_at_their_ends() -> None:
    corners = list(islice(space.corners(RATES), 10))
    assert {point["recipe.learning_rate"] for point in corners} == {0.01, 1.0}
    assert len(corners) == 4


def test_a_point_is_laid_over_what_all_trials_share() -> None:
    base: dict[str, JsonValue] = {"arch": "resnet", "recipe": {"momentum": 0.8}}
    body = space.placed(base, {"depth": 20, "recipe.learning_rate": 0.1})
    assert body == {
        "arch": "resnet",
        "depth": 20,
        "recipe": {"momentum": 0.8, "learning_rate": 0.1},
    }
    assert base == {"arch": "resnet", "recipe": {"momentum": 0.8}}


def test_a_recipe_by_name_takes_fields_of_a_point() -> None:
    body = space.placed({"recipe": "paper-cifar"}, {"recipe.momentum": 0.5})
    assert body == {"recipe": {"name": "paper-cifar", "momentum": 0.5}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": {"min": 2, "max": 2}},
        {"x": {"min": 0, "max": 2, "log": True}},
        {"x": []},
        {"a.b.c": [1]},
        {"x": {"min": 0}},
        [],
    ],
    ids=str,
)
def test_what_is_no_space_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Space).validate_python(wrong)


def test_a_point_in_words_is_short() -> None:
    point: Point = {"depth": 20, "recipe.learning_rate": 0.123456, "shortcut": "A"}
    assert space.title(point) == "depth 20, learning_rate 0.1235, shortcut A"
