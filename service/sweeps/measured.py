"""What the report of a sweep is made from: its trials as they are now, and which of them count."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, JsonValue

from service.lifecycle import State
from trainer.contract.asked import Placed
from trainer.contract.baselines import Baseline
from trainer.contract.evaluation import Evaluation, Protocol
from trainer.contract.reasons import Code, Reason
from trainer.contract.space import Path, Point, canonical
from trainer.contract.spec import ResolvedSpec
from trainer.contract.sweep import Metric
from trainer.contract.trials import TrialPoint

Kind = Literal["baseline", "plain", "residual"]
"""baseline: a network that the paper compares itself with."""

Ending = Literal[
    "finished", "ended early", "failed", "cancelled", "unfinished", "refused", "deleted"
]
"""ended early: by the search. unfinished: it waits, runs or is paused. refused: its point is no training."""

INCIDENTAL = {
    "seed",
    "register_as",
    "per_worker_batch",
    "accumulation",
    *Placed.model_fields,
}
"""Fields of a training in which the trials of one row may differ, unless the sweep varies them: where it ran
and what it is called."""

SAID = frozenset({"arch", "depth", "shortcut", "seed"})
"""Varied fields that a row says in words of its own."""


class MeasuredTrial(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One training of a sweep."""

    number: int
    """From 1."""
    point: Point
    spec: ResolvedSpec | None
    """None: it was refused, or its training has been deleted."""
    state: State | None
    """Of its training; None as above."""
    reason: Reason | None = None
    """Of its state, or why it was refused."""
    minutes: float | None = None
    """That it ran, all attempts together; None: it did not."""
    training: dict[int, float] = {}
    """Epoch, from 1 → top-1 error in percent on the training images: the mean over the epoch's steps."""
    validations: tuple[TrialPoint, ...] = ()
    """By epoch, each once; of the one centre view."""
    evaluation: Evaluation | None = None
    """What a protocol other than center ended it with."""
    responses: tuple[float, ...] = ()
    """Standard deviation of what each 3×3 layer gives, in forward order; empty where that was not
    measured."""

    @property
    def ending(self) -> Ending:
        if self.reason and self.reason.code == Code.STOPPED_BY_SEARCH:
            return "ended early"
        match self.state:
            case None:
                return "refused" if self.reason else "deleted"
            case State.SUCCEEDED:
                return "finished"
            case State.FAILED:
                return "failed"
            case State.CANCELLED | State.CANCELLING:
                return "cancelled"
        return "unfinished"

    @property
    def protocol(self) -> Protocol:
        """How its final error was measured."""
        return self.evaluation.protocol if self.evaluation else "center"

    @property
    def final(self) -> Evaluation | TrialPoint | None:
        """What it ended with, or has come to so far; None before its first validation."""
        return self.evaluation or (self.validations[-1] if self.validations else None)

    @property
    def epoch(self) -> int:
        """Of its last validation; 0 before the first."""
        return self.validations[-1].epoch if self.validations else 0

    def lowest(self, metric: Metric) -> float | None:
        """Of its validations; None before the first."""
        return min((getattr(point, metric) for point in self.validations), default=None)


class ReportInput(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A sweep as far as it has come."""

    title: str
    """A line that names it: the job's name, or what it is of."""
    varied: tuple[Path, ...]
    """Fields that its points give."""
    metric: Metric
    """By which its trials are compared; lower is better."""
    preset: str | None = None
    """A name of `presets.PRESETS`."""
    scale: float | None = None
    """Of a preset's length, as asked; None: the whole length, or no preset."""
    trials: tuple[MeasuredTrial, ...]
    ensemble: Evaluation | None = None
    """Of all trained networks together, where the preset ends with one."""


def kind_of(spec: ResolvedSpec) -> Kind:
    if isinstance(spec.network, Baseline):
        return "baseline"
    return "plain" if spec.shortcut is None else "residual"


def training(trial: MeasuredTrial) -> ResolvedSpec:
    """Of a trial that is `joined` with others. Raises ValueError of one that has none."""
    if trial.spec is None:
        raise ValueError(f"trial {trial.number} has no training")
    return trial.spec


def shown(given: ReportInput, trial: MeasuredTrial) -> dict[Path, JsonValue]:
    """What a point says besides network, shortcut and seed."""
    return {
        field: value
        for field, value in trial.point.items()
        if field in given.varied and field not in SAID
    }


def joined(given: ReportInput) -> list[list[MeasuredTrial]]:
    """Trials that differ only in their seed, together; in the order of each first one. Trials without a
    spec are left out."""
    groups: dict[str, list[MeasuredTrial]] = {}
    for trial in given.trials:
        if trial.spec is not None:
            training = trial.spec.model_dump_json(exclude=INCIDENTAL)
            key = training + canonical(shown(given, trial))
            groups.setdefault(key, []).append(trial)
    return list(groups.values())


def counted(trials: Sequence[MeasuredTrial]) -> list[MeasuredTrial]:
    """Those that stand for all of them: the finished ones; before there are any, those that have been
    validated."""
    finished = [trial for trial in trials if trial.ending == "finished"]
    return finished or [trial for trial in trials if trial.validations]


def best(given: ReportInput) -> MeasuredTrial | None:
    """The trial with the lowest value of the sweep's metric, of those that count; the first of equals."""
    found = [
        (value, trial.number, trial)
        for trial in counted(given.trials)
        if (value := trial.lowest(given.metric)) is not None
    ]
    return min(found)[2] if found else None
