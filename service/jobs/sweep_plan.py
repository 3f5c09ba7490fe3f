"""What a sweep would be: its trials, and how long they would take. Part of the answer to a dry run."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.cluster.cluster import Capacity
from service.jobs import fit
from service.jobs.pace import Pace
from trainer.contract import counting
from trainer.contract.reasons import Reason
from trainer.contract.space import Point
from trainer.contract.spec import ResolvedSpec
from trainer.contract.sweep import ResolvedSweep


@dataclass(frozen=True)
class TrialPlan:
    """One of its trials."""

    point: Point | None
    """None: it is drawn or chosen when its turn comes; this is one at an end of the space."""
    network: str
    parameters: int
    multiply_adds: int
    """Of one image's forward pass."""
    epochs: int
    hours: float | None
    """That it trains, by what was measured on this cluster; None: nothing like it was measured."""
    check: Reason | None
    """Why it would never start on this cluster."""


@dataclass(frozen=True)
class SweepPlan:
    """All of them."""

    count: int
    trials: tuple[TrialPlan, ...]
    """Of a search that draws its points, some that it may have."""
    worker_hours: float | None
    """Of all trials: hours times workers, which are GPUs where they have one each. At most, where trials
    may end early."""
    hours: float | None
    """With `at_once` trials at a time."""
    measured: int
    """Trainings on this cluster that this is estimated from."""


def make(
    sweep: ResolvedSweep, trials: Sequence[ResolvedSpec], capacity: Capacity | None, pace: Pace
) -> SweepPlan:
    """`trials` as `resolving` made them."""
    points = sweep.points or (None,) * len(trials)
    planned = [_trial(*pair, capacity, pace) for pair in zip(points, trials, strict=True)]
    each = [plan.hours for plan in planned]
    known = [hours for hours in each if hours is not None]
    total = spent = None
    if len(known) == len(each):
        repeated = sweep.trials / len(trials)
        total = repeated * sum(known)
        spent = repeated * sum(
            hours * trial.workers for hours, trial in zip(known, trials, strict=True)
        )
    return SweepPlan(
        count=sweep.trials,
        trials=tuple(planned),
        worker_hours=spent,
        hours=None if total is None else total / (sweep.search.at_once or 1),
        measured=len(pace.measured),
    )


def _trial(
    point: Point | None, trial: ResolvedSpec, capacity: Capacity | None, pace: Pace
) -> TrialPlan:
    seconds = pace.seconds(trial)
    return TrialPlan(
        point=point,
        network=trial.arch,
        parameters=counting.parameters(trial.network, trial.classes),
        multiply_adds=counting.multiply_adds(trial.network, trial.classes, trial.input_size),
        epochs=trial.epochs,
        hours=None if seconds is None else seconds / 3600,
        check=fit.never(trial, fit.whole(capacity)) if capacity else None,
    )
