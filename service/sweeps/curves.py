"""Learning curves of a sweep: trials that differ only in their seed, joined by epoch. Drawn by `pictures`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.sweeps import measured, rows, spread
from service.sweeps.measured import Kind, MeasuredTrial, ReportInput
from service.sweeps.spread import Spread
from trainer.contract.sweep import Metric

MOST = 16
"""Lines in a picture that can still be told apart."""


@dataclass(frozen=True)
class Place:
    """One epoch of a curve."""

    epoch: int
    iteration: int
    """Optimizer steps at the epoch's end."""
    error: Spread
    """Top-1 error in percent, over the seeds."""


@dataclass(frozen=True)
class Curve:
    """One training, over its seeds."""

    name: str
    kind: Kind
    depth: int
    variant: str
    """What tells it from others of its depth: shortcut and varied fields; "" where nothing does."""
    training: tuple[Place, ...]
    validation: tuple[Place, ...]
    finished: bool
    """Whether it came to its last epoch."""


class Best(NamedTuple):
    """What there is to draw."""

    curves: list[Curve]
    """The best first."""
    of: int
    """So many there are in all."""


def best(given: ReportInput, most: int = MOST) -> Best:
    """At most `most` trainings, by the lowest of the sweep's metric, of all that were validated."""
    fields = rows.told(given)
    groups = [
        (counted, group)
        for group in measured.joined(given)
        if (counted := [trial for trial in measured.counted(group) if trial.validations])
    ]
    groups.sort(key=lambda each: _lowest(each[0], given.metric))
    found = [
        _curve(counted, rows.name(group, fields), rows.variant(group, fields))
        for counted, group in groups[:most]
    ]
    return Best(found, len(groups))


def _lowest(trials: Sequence[MeasuredTrial], metric: Metric) -> float:
    return min(low for trial in trials if (low := trial.lowest(metric)) is not None)


def _curve(trials: Sequence[MeasuredTrial], name: str, variant: str) -> Curve:
    spec = measured.training(trials[0])
    steps = {point.epoch: point.step for trial in trials for point in trial.validations}

    def places(found: Sequence[Mapping[int, float]]) -> tuple[Place, ...]:
        # Epochs that all seeds have: a mean over ever fewer of them would jump.
        epochs = sorted(set.intersection(*(set(each) for each in found))) if found else []
        return tuple(
            Place(epoch, steps.get(epoch, epoch * spec.steps_per_epoch), mean)
            for epoch in epochs
            if (mean := spread.of(each[epoch] for each in found))
        )

    return Curve(
        name=name,
        kind=measured.kind_of(spec),
        depth=spec.depth,
        variant=variant,
        training=places([trial.training for trial in trials if trial.training]),
        validation=places([{p.epoch: p.top1_error for p in t.validations} for t in trials]),
        finished=any(trial.ending == "finished" for trial in trials),
    )
