"""Keeps sweeps and their trials together: makes a job of each point that a search proposes, tells the search
how far it is, and does with the trials what is done with the sweep. Used by the reconciler.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from service.errors import Conflict, Invalid, QuotaExceeded
from service.jobs import control
from service.jobs.service import Jobs
from service.lifecycle import LIVE, RESUMABLE, TERMINAL, Job, State
from service.sweeps.store import Trial, TrialStore
from trainer.contract import layout, trials
from trainer.contract.attempts import MetricPoint, read
from trainer.contract.reasons import Code, Reason, reason
from trainer.contract.trials import Standing, TrialPoint, Verdict

ENDING = frozenset({State.CANCELLING, State.CANCELLED, State.FAILED})
"""States of a sweep in which its trials are cancelled."""
RESTING = frozenset({State.PAUSING, State.PAUSED})
"""States of a sweep in which its trials are paused."""
TAKEN_ALONG = {Code.PAUSED_WITH_SWEEP, Code.CANCELLED_WITH_SWEEP}
"""Why a trial rests that goes on when its sweep does."""

GONE = "deleted"
"""How a search is told of a trial without a job."""
CANCELLED = reason(Code.CANCELLED_WITH_SWEEP, "Its sweep ended before it.")
PAUSED = reason(Code.PAUSED_WITH_SWEEP, "Its sweep was paused.")
RESUMED = reason(Code.RESUMED_WITH_SWEEP, "Its sweep goes on.")


@dataclass
class Follower:
    """May be interrupted anywhere: the next tick goes on."""

    jobs: Jobs
    trials: TrialStore
    clock: Callable[[], datetime]
    _written: dict[tuple[str, int], Standing] = field(default_factory=dict)
    """What each search was told last of each trial."""

    def tick(self) -> None:
        """Look once at every sweep that moves. Raises StoreUnavailable."""
        moving = self.trials.moving()
        for sweep in moving:
            made = self.trials.of(sweep.id)
            if sweep.state is State.RUNNING:
                self._make(sweep, len(made))
            for job in self.trials.evaluations(sweep.id).values():
                self._take_along(sweep, job)
            for trial in made:
                self._take_along(sweep, trial.job)
                self._judge(sweep, trial)
                if sweep.state is State.RUNNING:
                    self._tell(sweep, trial)
        known = {sweep.id for sweep in moving}
        self._written = {key: said for key, said in self._written.items() if key[0] in known}

    def _make(self, sweep: Job, known: int) -> None:
        """The jobs of points that were proposed since."""
        for proposal in trials.proposed(self.jobs.objects, sweep.id, after=known):
            try:
                job, why = self.jobs.trial(sweep, proposal), None
            except QuotaExceeded:
                return  # the others wait with it
            except Invalid as refused:
                job, why = None, reason(Code.INVALID_POINT, str(refused))
            self.trials.insert(sweep.id, proposal.number, proposal.point, job, why)

    def _take_along(self, sweep: Job, job: Job | None) -> None:
        """What is done with a sweep is done with its jobs."""
        if job is None:
            return
        if sweep.state in ENDING:
            self._end(job, CANCELLED)
        elif sweep.state in RESTING:
            if job.state in LIVE - {State.CANCELLING}:
                self._keep(job, control.paused(job, self.clock(), why=PAUSED))
        elif job.reason and job.reason.code in TAKEN_ALONG and job.state in RESUMABLE:
            path = control.resumed(job, self.clock(), reached=lambda: 0, why=RESUMED)
            self._keep(job, path)

    def _judge(self, sweep: Job, trial: Trial) -> None:
        """End a trial that the search wants to end."""
        job = trial.job
        if job is None or job.state not in LIVE or sweep.state is not State.RUNNING:
            return
        if verdict := read(self.jobs.objects, layout.verdict(sweep.id, trial.number), Verdict):
            self._end(job, reason(Code.STOPPED_BY_SEARCH, verdict.message))

    def _end(self, job: Job, why: Reason) -> None:
        if job.state in LIVE:
            self._keep(job, control.cancelled(job, self.clock(), why=why))

    def _keep(self, job: Job, path: control.Path) -> None:
        if not path:
            return
        with contextlib.suppress(Conflict):  # it moved meanwhile; the next tick sees how
            self.jobs.store.save(path[-1], was=job, through=path[:-1])

    def _tell(self, sweep: Job, trial: Trial) -> None:
        """How far the trial is, if the search does not know it yet."""
        known = self._written.get((sweep.id, trial.number))
        if known and known.ended and known.state == (trial.job.state if trial.job else GONE):
            return  # nothing of it changes any more
        standing = self._standing(trial)
        if known != standing:
            key = layout.standing(sweep.id, trial.number)
            self.jobs.objects.put(key, standing.model_dump_json().encode())
            self._written[sweep.id, trial.number] = standing

    def _standing(self, trial: Trial) -> Standing:
        job = trial.job
        if job is None:
            why = trial.refusal.message if trial.refusal else "Its job was deleted."
            return Standing(number=trial.number, job_id=None, state=GONE, ended=True, failure=why)
        points = self.jobs.history.metrics(job.id, job.attempt, split="val") if job.attempt else []
        is_fruitless = job.state in TERMINAL - {State.SUCCEEDED} and not points
        failed = job.state is State.FAILED or is_fruitless
        return Standing(
            number=trial.number,
            job_id=job.id,
            state=job.state,
            ended=job.state in TERMINAL,
            failure=job.reason.message if failed and job.reason else None,
            validations=tuple(map(_validation, points)),
        )


def _validation(point: MetricPoint) -> TrialPoint:
    return TrialPoint(**point.model_dump(include=set(TrialPoint.model_fields)))
