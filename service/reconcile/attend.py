"""Looks at one job that may hold resources, and does what `decide` says. Used by the reconciler.

Every act can be done twice: a service that dies in the middle of one does it again.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from service.cluster.cluster import Cluster, Sighting
from service.jobs.history import History
from service.jobs.store import Held, JobStore
from service.lifecycle import Job, Result, State, advance
from service.reconcile.decide import Act, Seen, Step, decide
from service.reconcile.progress import progress
from trainer.contract import attempts, layout
from trainer.contract.attempts import Best, Document, Order, Outcome, Started
from trainer.contract.names import submission_id
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import Code, Reason, reason
from trainer.contract.spec import ResolvedSpec

LEAVES_WITHIN = timedelta(seconds=10)
"""How long an attempt may take to exit after its outcome, before it is stopped."""

ALIVE = (Sighting.PENDING, Sighting.RUNNING)


@dataclass
class Attendant:
    """Moves jobs through their lives, one look at a time."""

    store: JobStore
    objects: ObjectStore
    history: History
    cluster: Cluster
    register: Callable[[Job, Best], None]
    """Makes a model version of the best checkpoint; a second call does nothing."""
    clock: Callable[[], datetime]
    storage_url: str
    """Of `objects`, as the cluster's machines reach it."""
    _trying: set[str] = field(default_factory=set)
    """Submissions that this program has begun and that the cluster has not taken yet."""
    _leaving: dict[str, datetime] = field(default_factory=dict)
    """Submissions whose jobs have moved on, and when they should be gone."""

    def attend(self, held: Held, look: Callable[[str], Sighting]) -> None:
        """Look at a job and take its next step. Raises Conflict when it has moved meanwhile, and
        ClusterUnavailable or StoreUnavailable; then the next look does it."""
        seen = self._see(held, look)
        if step := decide(held.job.state, seen):
            self._act(held.job, seen, step)

    def note_progress(self, job: Job) -> None:
        """Write down how far a running job is, if that has changed."""
        now = progress(job.spec, self.history.newest_points(job.id, job.attempt))
        if now and now != job.progress:
            self.store.set_progress(job, now)

    def see_off(self) -> None:
        """Stop what should have exited by itself. Raises ClusterUnavailable."""
        for submission, due in list(self._leaving.items()):
            if self.clock() < due:
                continue
            if self.cluster.sighting(submission) in ALIVE:
                self.cluster.stop(submission)
                self._leaving[submission] = self.clock() + LEAVES_WITHIN
            else:
                del self._leaving[submission]

    def _see(self, held: Held, look: Callable[[str], Sighting]) -> Seen:
        job, tried, started, outcome = held.job, False, None, None
        sighting = Sighting.MISSING  # a job without an attempt has nothing in the cluster
        if job.attempt:
            submission = submission_id(job.id, job.attempt)
            sighting = look(submission)
            outcome = self._outcome(job)
            if outcome is None and job.state is State.STARTING:
                started = self._read(layout.started, job, Started)
                if not held.submitted and submission not in self._trying:
                    tried = self._read(layout.order, job, Order) is not None
        return Seen(
            sighting=sighting,
            submitted=held.submitted,
            tried=tried,
            started=started,
            outcome=outcome,
            retries=job.retries,
            max_retries=job.spec.max_retries,
            kind=job.spec.kind,
        )

    def _act(self, job: Job, seen: Seen, step: Step) -> None:
        submission = submission_id(job.id, job.attempt)
        match step.act:
            case Act.SUBMIT:
                self._submit(job, submission)
            case Act.NOTE_SUBMITTED:
                self.store.mark_submitted(job, at=self.clock())
            case Act.STOP:
                self.cluster.stop(submission)
            case Act.RUN:
                self._move(job, State.RUNNING)
            case Act.GIVE_UP:
                standing = self._close(job, step.reason)
                if then := decide(job.state, replace(seen, outcome=standing)):
                    self._act(job, seen, then)
            case Act.END_CANCELLED:
                if job.attempt:
                    self._close(job, step.reason)
                self._move(job, State.CANCELLED, step.reason)
            case Act.SUCCEED | Act.FAIL | Act.RETRY | Act.RETRY_FREE:
                self._settle(job, step)
                if seen.sighting in ALIVE:
                    self._leaving[submission] = self.clock() + LEAVES_WITHIN

    def _submit(self, job: Job, submission: str) -> None:
        order = Order(
            job_id=job.id,
            attempt=job.attempt,
            spec=job.spec,
            resume_attempts=tuple(range(1, job.attempt)),
        )
        self._trying.add(submission)
        key = layout.order(job.id, job.attempt)
        self.objects.put(key, order.model_dump_json().encode())
        self.cluster.submit(submission, entrypoint(self.storage_url, job.id, job.attempt))
        taken = self.store.mark_submitted(job, at=self.clock())
        self._trying.discard(submission)
        if not taken:
            self._leaving[submission] = self.clock()  # it was ended meanwhile: nobody waits for it

    def _settle(self, job: Job, step: Step) -> None:
        match step.act:
            case Act.SUCCEED:
                self._succeed(job, step.result)
            case Act.FAIL:
                self._move(job, State.FAILED, step.reason)
            case Act.RETRY:
                self._move(replace(job, retries=job.retries + 1), State.QUEUED, step.reason)
            case _:
                self._move(job, State.QUEUED, step.reason)

    def _succeed(self, job: Job, result: Result | None) -> None:
        is_named = isinstance(job.spec, ResolvedSpec) and job.spec.register_as
        if is_named and result and result.best:
            self.register(job, result.best)
        newest = self.history.newest_points(job.id, job.attempt)
        done = replace(job, result=result, progress=progress(job.spec, newest) or job.progress)
        self._move(done, State.SUCCEEDED)

    def _move(self, job: Job, to: State, why: Reason | None = None) -> None:
        self.store.save(advance(job, to, at=self.clock(), reason=why), was=job)

    def _close(self, job: Job, why: Reason | None) -> Outcome:
        """Give the attempt up; the outcome that stands, which may be its own."""
        try:
            return attempts.commit_outcome(self.objects, self._made(job, "given_up", why))
        except ValueError as error:
            return self._unreadable(job, error)

    def _outcome(self, job: Job) -> Outcome | None:
        try:
            return self._read(layout.outcome, job, Outcome)
        except ValueError as error:
            return self._unreadable(job, error)

    def _read(
        self, key: Callable[[str, int], str], job: Job, kind: type[Document]
    ) -> Document | None:
        return attempts.read(self.objects, key(job.id, job.attempt), kind)

    def _unreadable(self, job: Job, error: ValueError) -> Outcome:
        return self._made(
            job, "failed", reason(Code.INTERNAL, f"Its outcome is unreadable: {error}")
        )

    def _made(self, job: Job, status: Literal["failed", "given_up"], why: Reason | None) -> Outcome:
        return Outcome(
            job_id=job.id, attempt=job.attempt, status=status, reason=why, at=self.clock()
        )


def entrypoint(storage_url: str, job_id: str, attempt: int) -> str:
    """The shell command that runs an attempt on the cluster."""
    words = ["--store", storage_url, "--job", job_id, "--attempt", str(attempt)]
    return shlex.join(["python", "-m", "trainer.run", *words])
