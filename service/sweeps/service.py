"""What can be asked of sweeps. Routes call it."""

from dataclasses import dataclass

from service.errors import NotFound
from service.jobs.service import Jobs
from service.lifecycle import Job, State
from service.sweeps.after import TOGETHER
from service.sweeps.measured import MeasuredTrial, ReportInput
from service.sweeps.rendering import Renderer
from service.sweeps.store import Trial, TrialStore
from trainer.contract import layout
from trainer.contract.analysis import Analysis
from trainer.contract.attempts import MetricPoint, Split, read
from trainer.contract.evaluation import Evaluation
from trainer.contract.spec import ResolvedSpec
from trainer.contract.sweep import Metric, ResolvedSweep
from trainer.contract.trials import TrialPoint


@dataclass(frozen=True)
class Measured:
    """A trial, and what its training came to so far."""

    trial: Trial
    evaluation: Job | None
    """Of its network, where the sweep ends with one of each."""
    validations: tuple[TrialPoint, ...]
    lowest: float | None
    """Of the sweep's metric."""


@dataclass(frozen=True)
class Sweeps:
    """Every method raises NotFound for a job that is not there, not the project's, or no sweep."""

    jobs: Jobs
    store: TrialStore
    renderer: Renderer

    def trials(
        self, project: str, job_id: str, *, limit: int, after: int
    ) -> tuple[list[Measured], int | None]:
        """A page of its trials, by number, and the number after which the next page begins."""
        sweep = self._sweep(project, job_id)
        metric = _spec(sweep).search.metric
        made = [trial for trial in self.store.of(sweep.id) if trial.number > after]
        last = self.store.evaluations(sweep.id)
        page = [self._measured(trial, last.get(trial.number), metric) for trial in made[:limit]]
        return page, page[-1].trial.number if len(made) > limit else None

    def measured(self, project: str, job_id: str) -> ReportInput:
        """What it came to so far: `report` and `pictures` are made of it."""
        sweep = self._sweep(project, job_id)
        spec = _spec(sweep)
        made, last = self.store.of(sweep.id), self.store.evaluations(sweep.id)
        varied = dict.fromkeys(field for trial in made for field in trial.point)
        return ReportInput(
            title=spec.name or f"Sweep {sweep.id}",
            varied=tuple(varied),
            metric=spec.search.metric,
            ensemble=_ensemble(last.get(TOGETHER)),
            preset=spec.preset,
            scale=spec.scale,
            trials=tuple(self._told(trial, last.get(trial.number)) for trial in made),
        )

    def _sweep(self, project: str, job_id: str) -> Job:
        job = self.jobs.get(project, job_id)
        if not isinstance(job.spec, ResolvedSweep):
            raise NotFound(
                f"Job {job.id} is of the kind '{job.spec.kind}', and only a sweep has trials."
            )
        return job

    def _measured(self, trial: Trial, evaluation: Job | None, metric: Metric) -> Measured:
        points = tuple(map(_validation, self._points(trial, "val")))
        lowest = min((getattr(point, metric) for point in points), default=None)
        return Measured(trial, evaluation, points, lowest)

    def _told(self, trial: Trial, evaluation: Job | None) -> MeasuredTrial:
        job = trial.job
        if job is None:
            return MeasuredTrial(
                number=trial.number, point=trial.point, spec=None, state=None, reason=trial.refusal
            )
        return MeasuredTrial(
            number=trial.number,
            point=trial.point,
            spec=job.spec if isinstance(job.spec, ResolvedSpec) else None,
            state=job.state,
            reason=job.reason,
            minutes=minutes(job),
            training=_by_epoch(self._points(trial, "train")),
            validations=tuple(map(_validation, self._points(trial, "val"))),
            evaluation=job.result.evaluation if job.result else None,
            responses=self._responses(evaluation),
        )

    def _responses(self, evaluation: Job | None) -> tuple[float, ...]:
        """Of the 3×3 layers, as in the paper's Fig. 7."""
        if evaluation is None or evaluation.state is not State.SUCCEEDED:
            return ()
        key = layout.analysis(evaluation.id, evaluation.attempt)
        found = read(self.jobs.objects, key, Analysis)
        return tuple(
            layer.response_std for layer in (found.layers if found else ()) if layer.kernel == 3
        )

    def _points(self, trial: Trial, split: Split) -> list[MetricPoint]:
        job = trial.job
        if job is None or not job.attempt:
            return []
        return self.jobs.history.metrics(job.id, job.attempt, split=split)


def _ensemble(together: Job | None) -> Evaluation | None:
    return together.result.evaluation if together and together.result else None


def minutes(job: Job) -> float | None:
    """That it ran so far, up to its last change of state."""
    return round(job.ran_s / 60, 2) if job.attempt else None


def _spec(sweep: Job) -> ResolvedSweep:
    if not isinstance(sweep.spec, ResolvedSweep):
        raise TypeError(f"job {sweep.id} is no sweep")
    return sweep.spec


def _validation(point: MetricPoint) -> TrialPoint:
    return TrialPoint(**point.model_dump(include=set(TrialPoint.model_fields)))


def _by_epoch(points: list[MetricPoint]) -> dict[int, float]:
    """The mean training error of each epoch's steps, in percent."""
    errors: dict[int, list[float]] = {}
    for point in points:
        errors.setdefault(point.epoch, []).append(point.top1_error)
    return {epoch: sum(found) / len(found) for epoch, found in errors.items()}
