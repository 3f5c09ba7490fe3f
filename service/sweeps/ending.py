"""What a sweep came to when its search is done. Used by the reconciler."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.jobs.history import History
from service.lifecycle import LIVE, BestTrial, Job, State
from service.sweeps.after import wanted
from service.sweeps.store import Trial, TrialStore
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.presets import Afterwards
from trainer.contract.reasons import Code, Reason, reason
from trainer.contract.space import title
from trainer.contract.sweep import Metric, ResolvedSweep


@dataclass(frozen=True)
class Conclusion:
    """How a sweep ends."""

    best: BestTrial | None
    """None: no trial succeeded, and the sweep has failed."""
    job: Job | None
    """That trained it."""
    reason: Reason


@dataclass(frozen=True)
class Endings:
    """Of every sweep."""

    trials: TrialStore
    history: History
    begin: Callable[[Job, ResolvedEvaluation], Job]
    """An evaluation of a sweep's, waiting in line, to be kept by whoever asks."""

    def conclude(self, sweep: Job) -> Conclusion | None:
        """None while one of its jobs has not ended. Raises StoreUnavailable."""
        if not isinstance(sweep.spec, ResolvedSweep):
            raise TypeError(f"job {sweep.id} is no sweep")
        made = self.trials.of(sweep.id)
        if any(trial.job and trial.job.state in LIVE for trial in made):
            return None
        if sweep.spec.afterwards and not self._evaluated(sweep, sweep.spec.afterwards, made):
            return None
        metric = sweep.spec.search.metric
        values = [(self._value(trial, metric), trial) for trial in made]
        found = [(value, trial) for value, trial in values if value is not None]
        if not found:
            return Conclusion(None, None, reason(Code.TRIALS_FAILED, _all_failed(made)))
        value, trial = min(found, key=lambda pair: (pair[0], pair[1].number))
        if trial.job is None:
            raise TypeError("a trial that succeeded has a job")
        best = BestTrial(trial.number, trial.job.id, metric, value)
        said = f"Trial {best.number} ({title(trial.point)}) is the best: {metric} {value:.4g}."
        return Conclusion(best, trial.job, reason(Code.COMPLETED, f"{_counted(made)} {said}"))

    def _evaluated(self, sweep: Job, after: Afterwards, made: list[Trial]) -> bool:
        """Whether the evaluations that come last have ended. Those that are missing are begun."""
        there = self.trials.evaluations(sweep.id)
        missing = {
            number: spec
            for number, spec in wanted(sweep, after, made).items()
            if number not in there
        }
        for number, spec in missing.items():
            self.trials.evaluate(sweep.id, number, self.begin(sweep, spec))
        return not missing and not any(job and job.state in LIVE for job in there.values())

    def _value(self, trial: Trial, metric: Metric) -> float | None:
        """The lowest that a trial came to; None unless it succeeded."""
        job = trial.job
        if job is None or job.state is not State.SUCCEEDED:
            return None
        points = self.history.metrics(job.id, job.attempt, split="val")
        return min((getattr(point, metric) for point in points), default=None)


def _counted(made: Sequence[Trial]) -> str:
    states = Counter(_state(trial) for trial in made)
    return f"{len(made)} trials: {', '.join(f'{n} {name}' for name, n in states.most_common())}."


def _state(trial: Trial) -> str:
    if trial.job is None:
        return "refused" if trial.refusal else "deleted"
    stopped = trial.job.reason and trial.job.reason.code is Code.STOPPED_BY_SEARCH
    return "stopped early" if stopped else str(trial.job.state)


def _all_failed(made: Sequence[Trial]) -> str:
    """Each reason once, with how often it was given."""
    if not made:
        return "No trial was made."
    whys = [trial.job.reason if trial.job else trial.refusal for trial in made]
    said = Counter(f"{why.code}: {why.message}" if why else "unknown" for why in whys)
    shown = "; ".join(f"{n} × {why}" for why, n in said.most_common(3))
    return f"None of {len(made)} trials succeeded. {shown}"
