"""Looks at one job that may hold resources, and does what `decide` says. Used by the reconciler.

Every act can be done twice: a service that dies in the middle of one does it again.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from service.cluster.cluster import Cluster, Sighting
from service.jobs.history import History
from service.jobs.store import Held, JobStore
from service.lifecycle import Job, Progress, Result, State, advance
from service.reconcile import papers, told
from service.reconcile.decide import GONE, decide
from service.reconcile.leaving import Leaving
from service.reconcile.look import Lookout
from service.reconcile.outcomes import backoff
from service.reconcile.progress import advanced, progress
from service.reconcile.steps import Act, Seen, Step
from service.sweeps.ending import Conclusion
from trainer.contract import crashes
from trainer.contract.attempts import Best
from trainer.contract.crashes import Point
from trainer.contract.names import submission_id
from trainer.contract.objects.store import ObjectStore, StoreUnavailable
from trainer.contract.prediction import ResolvedPrediction
from trainer.contract.reasons import Reason
from trainer.contract.spec import ResolvedSpec
from trainer.contract.sweep import ResolvedSweep

AT_ONCE = timedelta(0)
SETTLES = timedelta(seconds=10)
"""How long an elastic job waits for its next attempt: until then Ray reports as used what the last one
had, and the job would be given less than there is."""


@dataclass
class Attendant:
    """Moves jobs through their lives, one look at a time."""

    store: JobStore
    objects: ObjectStore
    history: History
    cluster: Cluster
    register: Callable[[Job, Best, str], None]
    """Makes a version of a model, by its name, of the best checkpoint; a second call does nothing."""
    conclude: Callable[[Job], Conclusion | None]
    """What a sweep came to whose search is done; None while one of its trials has not ended."""
    deploy: Callable[[str, str], None]
    """Lets a project's model serve, by its name; a second call does nothing."""
    clock: Callable[[], datetime]
    storage_url: str
    """Of `objects`, as the cluster's machines reach it."""
    first_step: Callable[[Job, float], None] = lambda *_: None
    """Is told so many seconds after an attempt began to run that its first step was seen."""
    lookout: Lookout = field(init=False)
    leaving: Leaving = field(init=False)

    def __post_init__(self) -> None:
        self.lookout = Lookout(self.objects, self.clock)
        self.leaving = Leaving(self.cluster, self.clock)

    def attend(
        self, held: Held, look: Callable[[str], Sighting], leads: Callable[[], bool]
    ) -> None:
        """Look at a job and take its next step, if this program still `leads`: it may have been frozen
        while it looked. Raises Conflict when the job has moved meanwhile, and ClusterUnavailable or
        StoreUnavailable; then the next look does it."""
        seen = self.lookout.see(held, look)
        step = decide(held.job.state, seen)
        if step and leads():
            self._act(held.job, seen, step)

    def note_progress(self, job: Job) -> None:
        """Write down how far a running job is, if that has changed."""
        now = self._progress(job)
        if now and self.lookout.is_first_step(job):
            self.first_step(job, (self.clock() - job.changed_at).total_seconds())
        if now and now != job.progress:
            self.store.set_progress(job, now)

    def halt(self, job: Job, why: Reason) -> None:
        """Ask a job's newest attempt to keep a checkpoint and end."""
        papers.ask_to_halt(self.objects, job, why, at=self.clock())
        self.lookout.has_halted(submission_id(job.id, job.attempt))

    def _act(self, job: Job, seen: Seen, step: Step) -> None:
        submission = submission_id(job.id, job.attempt)
        match step:
            case Step(Act.SUBMIT):
                self._submit(job, submission)
            case Step(Act.NOTE_SUBMITTED):
                self.store.mark_submitted(job, at=self.clock())
            case Step(Act.STOP):
                self.cluster.stop(submission)
            case Step(Act.RUN):
                self.lookout.has_begun(
                    self._move(job, State.RUNNING, told.running(job, seen.started))
                )
            case Step(Act.HALT, reason=Reason() as why):
                self.halt(job, why)
            case Step(Act.GIVE_UP):
                self._give_up(job, seen, step)
            case _:
                # Else no event would say from where it went on.
                if job.state is State.STARTING and seen.started:
                    job = self._move(job, State.RUNNING, told.running(job, seen.started))
                self._settle(job, step, attempted=seen.attempted)
                if seen.sighting not in GONE:
                    self.leaving.expect(submission)

    def _submit(self, job: Job, submission: str) -> None:
        self.lookout.is_trying(submission)
        if job.attempt > 1:  # frozen processes of the one before end only when they are killed
            self.leaving.expect(submission_id(job.id, job.attempt - 1), within=AT_ONCE)
        papers.give_order(self.objects, job)
        self.cluster.submit(submission, entrypoint(self.storage_url, job.id, job.attempt))
        crashes.point(Point.AFTER_SUBMIT)
        taken = self.store.mark_submitted(job, at=self.clock())
        self.lookout.has_tried(submission)
        if not taken:  # it was ended meanwhile: nobody waits for it
            self.leaving.expect(submission, within=AT_ONCE)

    def _give_up(self, job: Job, seen: Seen, step: Step) -> None:
        try:
            standing = papers.close(self.objects, job, step.reason, at=self.clock())
        except StoreUnavailable:  # whoever cannot write cannot give a sign of life
            self.lookout.begin_anew(job)
            raise
        if then := decide(job.state, self.lookout.ended(job, seen, standing)):
            self._act(job, seen, then)
        if standing.status == "given_up" and seen.sighting not in GONE:
            self.leaving.expect(submission_id(job.id, job.attempt), within=AT_ONCE)

    def _settle(self, job: Job, step: Step, *, attempted: bool) -> None:
        match step:
            case Step(Act.SUCCEED, reason=why, result=result):
                self._succeed(job, result, why or told.completed(job))
            case Step(Act.FAIL, reason=Reason() as why):
                self._move(job, State.FAILED, why)
            case Step(Act.RETRY, reason=Reason() as why):
                self._queue(replace(job, retries=job.retries + 1), why, backoff(job.retries + 1))
            case Step(Act.RETRY_FREE, reason=Reason() as why):
                self._queue(job, why, AT_ONCE)
            case Step(Act.END_PAUSED, reason=Reason() as why):
                kept = self.history.checkpoints(job.id, job.attempt)
                step_kept = kept[-1].meta.step if kept else None
                asked = job.reason or why
                self._move(self._up_to_date(job), State.PAUSED, told.paused(job, asked, step_kept))
            case Step(Act.END_CANCELLED, reason=Reason() as why):
                if attempted:
                    papers.close(self.objects, job, why, at=self.clock())
                self._move(job, State.CANCELLED, job.reason or why)
            case _:
                raise ValueError(f"{step} cannot be done with job {job.id}")

    def _succeed(self, job: Job, result: Result | None, why: Reason) -> None:
        if isinstance(job.spec, ResolvedSweep):
            self._conclude(job, job.spec)
            return
        is_named = isinstance(job.spec, ResolvedSpec) and job.spec.register_as
        if is_named and result and result.best:
            self.register(job, result.best, is_named)
            crashes.point(Point.AFTER_REGISTER)
        done = self._up_to_date(job)
        if done.progress:  # it may have stopped early
            done = replace(done, progress=replace(done.progress, eta_s=0.0))
        self._move(replace(done, result=result), State.SUCCEEDED, why)

    def _conclude(self, sweep: Job, spec: ResolvedSweep) -> None:
        """The end of a sweep whose search is done; the next look tries again while a trial has not ended."""
        found = self.conclude(sweep)
        if found is None:
            return
        if found.best is None or found.job is None:
            self._move(sweep, State.FAILED, found.reason)
            return
        if spec.register_as and found.job.result and found.job.result.best:
            self.register(found.job, found.job.result.best, spec.register_as)
            crashes.point(Point.AFTER_REGISTER)
            if spec.deploy:
                self.deploy(sweep.project, spec.register_as)
        self._move(replace(sweep, result=Result(trial=found.best)), State.SUCCEEDED, found.reason)

    def _queue(self, job: Job, why: Reason, wait: timedelta) -> None:
        now, spec = self.clock(), job.spec
        if spec.least_workers < spec.workers:
            wait = max(wait, SETTLES)
        again = replace(job, not_before=now + wait if wait else None)
        self._move(again, State.QUEUED, why)

    def _up_to_date(self, job: Job) -> Job:
        """With the last that its newest attempt measured."""
        return replace(job, progress=self._progress(job) or job.progress)

    def _progress(self, job: Job) -> Progress | None:
        if not job.attempt:
            return None
        if isinstance(job.spec, ResolvedPrediction):
            return advanced(self.history.advance(job.id, job.attempt))
        return progress(job.spec, self.history.newest_points(job.id, job.attempt))

    def _move(self, job: Job, to: State, why: Reason) -> Job:
        moved = self.store.save(advance(job, to, at=self.clock(), reason=why), was=job)
        crashes.point(Point.AFTER_STATE)
        return moved


def entrypoint(storage_url: str, job_id: str, attempt: int) -> str:
    """The shell command that runs an attempt on the cluster."""
    words = ["--store", storage_url, "--job", job_id, "--attempt", str(attempt)]
    return shlex.join(["python", "-m", "trainer.run", *words])
