"""The space of a sweep: which fields of a training vary, and over what. Pure; a sweep's points follow from
it, by number, on whichever machine they are counted.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import exp, log, prod
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue, StringConstraints, model_validator

Path = Annotated[str, StringConstraints(pattern=r"^[a-z_0-9]{1,40}(\.[a-z_0-9]{1,40})?$")]
"""A field of a training; a dot leads into one of its objects: `depth`, `recipe.learning_rate`."""

Point = dict[Path, JsonValue]
"""A value for each field that varies."""


class Range(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Numbers to draw from, both ends included. Whole numbers if both ends are."""

    min: int | float
    """The least."""
    max: int | float
    """The greatest."""
    log: bool = False
    """Whether each factor is as likely as any other, instead of each difference: for learning rates."""

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.min >= self.max:
            raise ValueError(f"'min' is {self.min:g}, not less than 'max', {self.max:g}")
        if self.log and self.min <= 0:
            raise ValueError("a range by factors ('log') needs a 'min' above 0")
        return self

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.min, int) and isinstance(self.max, int)

    def draw(self, chance: random.Random) -> int | float:
        """One of its numbers."""
        if self.log:
            drawn = exp(chance.uniform(log(self.min), log(self.max)))
        elif self.whole:
            return chance.randint(int(self.min), int(self.max))
        else:
            drawn = chance.uniform(self.min, self.max)
        inside = min(max(drawn, self.min), self.max)
        return round(inside) if self.whole else inside


Values = Annotated[list[JsonValue], Field(min_length=1, max_length=1000)]
Axis = Values | Range
Axes = Annotated[dict[Path, Axis], Field(max_length=20)]
Points = Annotated[list[Point], Field(min_length=1, max_length=1000)]
Space = Axes | Points
"""Either axes, of which each combination is a point, or the points themselves."""


def is_finite(space: Space) -> bool:
    """Whether its points can be counted."""
    return isinstance(space, list) or not any(isinstance(axis, Range) for axis in space.values())


def size(space: Space) -> int:
    """Points of a finite space, before those that come to the same training count as one."""
    if isinstance(space, list):
        return len(space)
    return prod(len(axis) for axis in space.values() if isinstance(axis, list))


def points(space: Space) -> Iterator[Point]:
    """Those of a finite space, the last axis changing fastest."""
    if isinstance(space, list):
        yield from space
        return
    for values in product(*(axis for axis in space.values() if isinstance(axis, list))):
        yield dict(zip(space, values, strict=True))


def drawn(space: Space, *, seed: int, number: int) -> Point:
    """The `number`th of a random search, from 1: it depends on nothing else."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - no secret
    if isinstance(space, list):
        return chance.choice(space)
    return {
        field: axis.draw(chance) if isinstance(axis, Range) else chance.choice(axis)
        for field, axis in space.items()
    }


def corners(space: Space) -> Iterator[Point]:
    """Points in which every range is at one of its ends: what all of these may be, those between may."""
    if isinstance(space, list):
        yield from space
        return
    ends = [[axis.min, axis.max] if isinstance(axis, Range) else axis for axis in space.values()]
    for values in product(*ends):
        yield dict(zip(space, values, strict=True))


def placed(base: Mapping[str, JsonValue], point: Point) -> dict[str, Any]:
    """`base` with the values of `point`, as the body of a training. Raises KeyError for a path through a
    field that is no object."""
    body: dict[str, Any] = json.loads(json.dumps(base))
    for path, value in point.items():
        *outer, field = path.split(".")
        target = body
        for name in outer:
            within = target.setdefault(name, {})
            if isinstance(within, str):  # a recipe by its name
                within = target[name] = {"name": within}
            if not isinstance(within, dict):
                raise KeyError(path)
            target = within
        target[field] = value
    return body


def canonical(body: Mapping[str, object]) -> str:
    """Equal for equal bodies."""
    return json.dumps(body, sort_keys=True)


def title(point: Point, among: Sequence[str] = ()) -> str:
    """A point in words; of only those fields that are `among` some, if any are given."""
    shown = {k: v for k, v in point.items() if not among or k in among}
    return ", ".join(f"{field.split('.')[-1]} {_said(value)}" for field, value in shown.items())


def _said(value: JsonValue) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
