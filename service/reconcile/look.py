"""Looks at a job that may hold resources: what the cluster, the store and its signs of life say."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.cluster.cluster import Sighting
from service.jobs.store import Held
from service.lifecycle import WORKING, Job, State
from service.reconcile import papers
from service.reconcile.lease import Signs
from service.reconcile.steps import Seen
from trainer.contract import attempts, checkpoints, layout
from trainer.contract.attempts import Order, Outcome, Started
from trainer.contract.names import submission_id
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import FREE

IN_A_ROW = 3
"""Attempts that may end one after the other by the cluster's doing and come to no checkpoint, before
each further one costs a retry: a cluster that ends all of them is not just restarting."""


@dataclass
class Lookout:
    """Remembers of each attempt what does not change, and what only this program knows."""

    objects: ObjectStore
    clock: Callable[[], datetime]
    signs: Signs = field(init=False)
    _started: dict[str, Started] = field(default_factory=dict)
    _trying: set[str] = field(default_factory=set)
    """Submissions that this program has begun and that the cluster has not taken yet."""
    _halted: set[str] = field(default_factory=set)
    """Submissions that this program has asked to end."""
    _unmoved: set[str] = field(default_factory=set)
    """Submissions that this program saw begin, and no step of them yet."""

    def __post_init__(self) -> None:
        self.signs = Signs(self.objects, self.clock)

    def see(self, held: Held, sighting: Callable[[str], Sighting]) -> Seen:
        """`sighting` asks the cluster. Raises StoreUnavailable."""
        job = held.job
        in_state_s = (self.clock() - job.changed_at).total_seconds()
        seen = Seen(
            sighting=Sighting.MISSING,  # a job without an attempt has nothing in the cluster
            submitted=held.submitted,
            tried=False,
            started=None,
            outcome=None,
            retries=job.retries,
            max_retries=job.spec.max_retries,
            kind=job.spec.kind,
            attempted=held.attempted,
            in_state_s=in_state_s,
            ran_s=job.ran_s + (in_state_s if job.state in WORKING else 0.0),
            max_runtime=job.spec.max_runtime,
        )
        return self._see_attempt(job, seen, sighting) if held.attempted else seen

    def ended(self, job: Job, seen: Seen, outcome: Outcome) -> Seen:
        """What is seen of an attempt with the outcome that it has by now."""
        is_free = outcome.reason is not None and outcome.reason.code in FREE
        return replace(seen, outcome=outcome, fruitless=is_free and self._is_fruitless(job))

    def is_trying(self, submission: str) -> None:
        self._trying.add(submission)

    def has_tried(self, submission: str) -> None:
        self._trying.discard(submission)

    def has_halted(self, submission: str) -> None:
        self._halted.add(submission)

    def is_halted(self, job: Job) -> bool:
        return submission_id(job.id, job.attempt) in self._halted

    def has_begun(self, job: Job) -> None:
        """Its newest attempt has; no step of it was seen yet."""
        self._unmoved.add(submission_id(job.id, job.attempt))

    def is_first_step(self, job: Job) -> bool:
        """Whether the step that is seen of its newest attempt now is the first one. True once."""
        submission = submission_id(job.id, job.attempt)
        was_unmoved = submission in self._unmoved
        self._unmoved.discard(submission)
        return was_unmoved

    def begin_anew(self, job: Job) -> None:
        """Whatever its newest attempt failed to say so far, it has a whole lease from now on."""
        self.signs.begin_anew(job)

    def forget(self, *, but: Container[str]) -> None:
        """Drop what is remembered of all submissions but those."""
        self.signs.forget(but=but)
        self._started = {key: found for key, found in self._started.items() if key in but}
        self._trying = {key for key in self._trying if key in but}
        self._halted = {key for key in self._halted if key in but}
        self._unmoved = {key for key in self._unmoved if key in but}

    def _see_attempt(self, job: Job, seen: Seen, sighting: Callable[[str], Sighting]) -> Seen:
        submission = submission_id(job.id, job.attempt)
        seen = replace(seen, sighting=sighting(submission), halted=submission in self._halted)
        if outcome := papers.outcome(self.objects, job, at=self.clock()):
            started = self._started.get(submission) or self._read_started(job)
            return self.ended(job, replace(seen, started=started), outcome)
        started = self._started.get(submission) or self._read_started(job)
        if started is None and job.state is State.STARTING:
            seen = replace(seen, tried=self._was_tried(job, seen, submission))
        life = self.signs.of(job)
        return replace(seen, started=started, silent=life.lost, placed=life.placed)

    def _read_started(self, job: Job) -> Started | None:
        found = attempts.read(self.objects, layout.started(job.id, job.attempt), Started)
        if found:
            self._started[submission_id(job.id, job.attempt)] = found
        return found

    def _was_tried(self, job: Job, seen: Seen, submission: str) -> bool:
        if seen.submitted or submission in self._trying:
            return False
        return attempts.read(self.objects, layout.order(job.id, job.attempt), Order) is not None

    def _is_fruitless(self, job: Job) -> bool:
        newest = range(job.attempt, max(0, job.attempt - IN_A_ROW), -1)
        return len(newest) == IN_A_ROW and not any(
            next(iter(checkpoints.of_attempt(self.objects, job.id, number)), None)
            for number in newest
        )
