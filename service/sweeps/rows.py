"""The rows of a sweep's report: trials that differ only in their seed, joined, beside the paper's figure."""

from collections.abc import Collection, Sequence

from pydantic import BaseModel, JsonValue

from service.sweeps import beside, measured, spread
from service.sweeps.beside import Beside
from service.sweeps.measured import Ending, Kind, MeasuredTrial, ReportInput
from service.sweeps.spread import Spread
from trainer.contract import counting
from trainer.contract.archs import Shortcut
from trainer.contract.evaluation import Protocol
from trainer.contract.family import Family
from trainer.contract.space import Path, title
from trainer.contract.spec import ResolvedSpec

KINDS: tuple[Kind, ...] = ("baseline", "plain", "residual")
"""In a report's order."""

ENDINGS: tuple[Ending, ...] = (
    "finished",
    "unfinished",
    "ended early",
    "cancelled",
    "failed",
    "refused",
    "deleted",
)
"""Of several trials' the first of these stands for the row."""


class Means(BaseModel, frozen=True, use_attribute_docstrings=True):
    """Over the seeds of a row. None where nothing is measured yet."""

    seeds: int
    """Trials that these are of: the finished ones, or before there are any, all that were validated."""
    epoch: int
    """That all of them have come to."""
    protocol: Protocol
    """How the errors and the loss at the end were measured."""
    final_error: Spread | None
    """Top-1 error in percent, at the end."""
    best_error: Spread | None
    """The lowest top-1 error in percent of the validations, which are of the one centre view."""
    top5_error: Spread | None
    """Percent, at the end."""
    loss: Spread | None
    """Nats, at the end."""
    training_error: Spread | None
    """Top-1 error in percent: mean over the last epoch's steps, on the images as they were augmented."""
    minutes: Spread | None
    """That a training took."""


class Row(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One training of a sweep, over its seeds."""

    name: str
    """In words, no two rows alike: plain-20, ResNet-34 B, ResNet-20 with learning_rate 0.1."""
    variant: str
    """The part of its name that tells it from others of its network; empty where there are none."""
    network: str
    """A name of `GET /archs`."""
    kind: Kind
    family: Family
    depth: int
    """Weighted layers."""
    shortcut: Shortcut | None
    varied: dict[Path, JsonValue]
    """What else the sweep varies, but for the seed."""
    trials: tuple[int, ...]
    """Their numbers."""
    ending: Ending
    """finished, if any trial is; else the means show how far the trials came."""
    epochs: int
    """That a training has."""
    iterations: int
    """Optimizer steps that a training has."""
    parameters: int
    multiply_adds: int
    """Of one image's forward pass, at the training's input size."""
    means: Means
    beside: Beside


def of(given: ReportInput, *, table: int | None) -> tuple[Row, ...]:
    """Baselines, plain and residual networks, each by depth and shortcut. `table`: of the paper, whose
    figure is preferred where a network has several."""
    fields = told(given)
    made = [_row(given, group, fields, table) for group in measured.joined(given)]
    return tuple(
        sorted(made, key=lambda r: (KINDS.index(r.kind), r.depth, r.shortcut or "", r.trials))
    )


def told(given: ReportInput) -> frozenset[Path]:
    """Fields that a row's name tells because they have several values: the shortcut of residual networks,
    and of the others those that name and seed do not say."""
    shortcuts = {trial.spec.shortcut for trial in given.trials if trial.spec} - {None}
    points = [trial.point for trial in given.trials]
    return frozenset(
        field
        for field in given.varied
        if field not in measured.SAID and any(p.get(field) != points[0].get(field) for p in points)
    ) | ({"shortcut"} if len(shortcuts) > 1 else frozenset())


def name(group: Sequence[MeasuredTrial], fields: Collection[Path]) -> str:
    """What a group is called in the report and in its pictures. `fields`: those that are `told`."""
    spec = measured.training(group[0])
    kind = measured.kind_of(spec)
    # As the paper writes it.
    network = f"{'plain' if kind == 'plain' else 'ResNet'}-{spec.depth}"
    return f"{spec.arch if kind == 'baseline' else network} {variant(group, fields)}".rstrip()


def variant(group: Sequence[MeasuredTrial], fields: Collection[Path]) -> str:
    """The part of its name that tells a group from others of the same network."""
    shortcut = measured.training(group[0]).shortcut if "shortcut" in fields else None
    others = {
        field: value
        for field, value in group[0].point.items()
        if field in fields and field != "shortcut"
    }
    return " ".join(word for word in (shortcut, f"with {title(others)}" if others else "") if word)


def _row(
    given: ReportInput,
    group: Sequence[MeasuredTrial],
    fields: Collection[Path],
    table: int | None,
) -> Row:
    spec = measured.training(group[0])
    ending = min((trial.ending for trial in group), key=ENDINGS.index)
    means = _means(measured.counted(group), spec)
    ended = ending == "finished" and means.protocol == spec.protocol
    return Row(
        name=name(group, fields),
        variant=variant(group, fields),
        network=spec.arch,
        kind=measured.kind_of(spec),
        family=spec.family,
        depth=spec.depth,
        shortcut=spec.shortcut,
        varied=measured.shown(given, group[0]),
        trials=tuple(trial.number for trial in group),
        ending=ending,
        epochs=spec.epochs,
        iterations=spec.iterations,
        parameters=counting.parameters(spec.network, spec.classes),
        multiply_adds=counting.multiply_adds(spec.network, spec.classes, spec.input_size),
        means=means,
        beside=beside.of(
            spec,
            table,
            top1=means.final_error.mean if means.final_error and ended else None,
            top5=means.top5_error.mean if means.top5_error and ended else None,
        ),
    )


def _means(trials: Sequence[MeasuredTrial], spec: ResolvedSpec) -> Means:
    ends = [end for trial in trials if (end := trial.final)]
    lowest = [low for trial in trials if (low := trial.lowest("top1_error")) is not None]
    return Means(
        seeds=len(trials),
        epoch=min((trial.epoch for trial in trials), default=0),
        protocol=trials[0].protocol if trials else spec.protocol,
        final_error=spread.of(end.top1_error for end in ends),
        best_error=spread.of(lowest),
        top5_error=spread.of(end.top5_error for end in ends),
        loss=spread.of(end.loss for end in ends),
        training_error=spread.of(t.training[max(t.training)] for t in trials if t.training),
        minutes=spread.of(t.minutes for t in trials if t.minutes is not None),
    )
