"""From a request for a sweep to what will be done: its points, each of which must be a training that can be
done. Used by `resolving`."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic import ValidationError

from service.errors import Invalid
from trainer.contract import presets
from trainer.contract import space as spaces
from trainer.contract.baselines import BASELINES
from trainer.contract.datasets import DATASETS
from trainer.contract.presets import Afterwards
from trainer.contract.recipes import RecipeFields
from trainer.contract.space import Point, Space
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.suits import Unresolvable
from trainer.contract.sweep import MAX_TRIALS, ResolvedSweep, Search, SweepSpec, seeded

FIELD = "space"
CORNERS = 1000
"""Points at the ends of the ranges that are looked at before a random search begins."""
FIXED = {"kind", "name", "labels", "priority", "register_as", "max_pending"}
"""Fields of a training that no point says."""
VARIED = frozenset(TrainSpec.model_fields) - FIXED

OBJECTS = {"recipe", "checkpoint_every", "keep_checkpoints", "early_stopping"}
"""Fields of a training that have fields."""

Decide = Callable[[TrainSpec], ResolvedSpec]
"""What a training comes to. Raises Invalid."""


def decide(
    asked: SweepSpec, training: Decide, at_once: Callable[[ResolvedSpec], int]
) -> tuple[ResolvedSweep, list[ResolvedSpec]]:
    """What will be done, and trials that it may have: all of them where they are known. `at_once`: how
    many of a trial the cluster holds. Raises Invalid."""
    base, space, afterwards = _design(asked)
    search = asked.search
    _check_fields(space)
    counted = search.name == "grid" or (search.name == "asha" and search.trials is None)
    points = _counted(base, space, search) if counted else None
    tried = points if points is not None else islice(spaces.corners(space), CORNERS)
    trials = [_training(base, point, training) for point in tried]
    sweep = ResolvedSweep(
        kind=asked.kind,
        base=base,
        space=space,
        preset=asked.preset,
        scale=asked.scale,
        afterwards=afterwards,
        points=None if points is None else tuple(points),
        search=search.model_copy(update={"at_once": search.at_once or at_once(trials[0])}),
        trials=len(trials) if points is not None else (search.trials or 1) * search.seeds,
        epochs=max(trial.epochs for trial in trials),
        workers=1,
        cpus_per_worker=0,
        gpus_per_worker=0,
        max_retries=asked.max_retries,
        max_pending=asked.max_pending,
        priority=asked.priority,
        name=asked.name,
        labels=asked.labels,
        register_as=asked.register_as,
        deploy=asked.deploy,
    )
    return sweep, trials


def body(base: dict[str, Any], point: Point) -> TrainSpec:
    """The training at a point. Raises Invalid."""
    try:
        return TrainSpec.model_validate(_applied(spaces.placed(base, point)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"{_at(point)}: '{where}': {first['msg']}.", field=FIELD) from error


def _training(base: dict[str, Any], point: Point, training: Decide) -> ResolvedSpec:
    asked = body(base, point)
    try:
        return training(asked)
    except (Invalid, Unresolvable) as error:
        raise Invalid(f"{_at(point)}: {error}", field=FIELD) from error


def _design(asked: SweepSpec) -> tuple[dict[str, Any], Space, Afterwards | None]:
    """What all trials share, the space, and what comes after them. Raises Invalid, Unresolvable."""
    base = asked.base()
    if asked.space is not None:
        return base, asked.space, None
    name = str(asked.preset)
    dataset = asked.dataset or presets.find(name).dataset
    if dataset not in DATASETS:
        raise Invalid(
            f"There is no data set '{dataset}' (yet); run the preset's design on another one: 'dataset' is "
            f"one of {_some(DATASETS)}.",
            field="dataset",
        )
    design = presets.expand(name, dataset=DATASETS[dataset], scale=asked.scale or 1.0)
    shared = dict(design.base)
    if "epochs" in base:
        del shared["iterations"]
    return shared | base, list(design.points), design.afterwards


def _counted(base: dict[str, Any], space: Space, search: Search) -> list[Point]:
    """All points, each with each of its seeds; those that come to the same training once."""
    if not spaces.is_finite(space):
        raise Invalid(
            "A range has no end of points, so a grid cannot have all of them; give values as a list, or "
            "search random, asha or optuna with 'trials'.",
            field=FIELD,
        )
    if (size := spaces.size(space) * search.seeds) > MAX_TRIALS:
        raise Invalid(
            f"The grid has {size:,} points, and a sweep {MAX_TRIALS:,} trials at most; give fewer values, "
            "or search random, asha or optuna with 'trials'.",
            field=FIELD,
        )
    found: dict[str, Point] = {}
    for point in _seeded(spaces.points(space), base, search.seeds):
        training = _applied(spaces.placed(base, point))
        # What does not apply to a point is no part of it: a plain network has no shortcut.
        own = {path: value for path, value in point.items() if path.split(".")[0] in training}
        found.setdefault(spaces.canonical(training), own)
    points = list(found.values())
    if search.name == "asha":  # whoever is compared first has it easier: let chance say who
        random.Random(search.seed).shuffle(points)  # noqa: S311 - no secret
    return points


def _seeded(points: Iterable[Point], base: dict[str, Any], seeds: int) -> Iterator[Point]:
    for point in points:
        for repetition in range(seeds):
            yield seeded(point, base, repetition) if seeds > 1 else point


def _applied(body: dict[str, Any]) -> dict[str, Any]:
    """Without the shortcut, where the network has none."""
    arch = str(body.get("arch", ""))
    if arch.startswith("plain") or arch in BASELINES:
        return {field: value for field, value in body.items() if field != "shortcut"}
    return body


def _check_fields(space: Space) -> None:
    """Raises Invalid for a field that a training does not have."""
    points = [dict.fromkeys(space)] if isinstance(space, dict) else space
    if not any(points):
        raise Invalid(
            "Nothing varies; give fields with their values, for example {'depth': [20, 32]}.",
            field=FIELD,
        )
    for path in {path for point in points for path in point}:
        field, *inner = path.split(".")
        if field not in VARIED:
            raise Invalid(
                f"A training has no field '{field}' that could vary; it has {_some(VARIED)}.",
                field=FIELD,
            )
        if inner and field not in OBJECTS:
            raise Invalid(
                f"'{path}' leads nowhere: of a training's fields only {_some(OBJECTS)} have fields of their "
                "own.",
                field=FIELD,
            )
        if field == "recipe" and inner and inner[0] not in RecipeFields.model_fields:
            raise Invalid(
                f"A recipe has no field '{inner[0]}'; it has {_some(RecipeFields.model_fields)}.",
                field=FIELD,
            )


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _at(point: Point) -> str:
    return f"At the point {spaces.title(point)}"
