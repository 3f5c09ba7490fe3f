"""The life of a job. Every change of state is made here, and nowhere else.

queued ──▶ starting ──▶ running ──▶ succeeded          pausing ──▶ paused      (from any live state)
  ▲  │         │  │        │  │                        cancelling ──▶ cancelled         (likewise)
  │  │         │  └────────┴──┴───▶ failed
  ├──┴─────────┴── retry ──┘                           paused, succeeded, failed and cancelled jobs
  └── resume, by request                               are queued again when somebody resumes them
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from service.errors import IllegalTransition
from trainer.contract import resolve
from trainer.contract.asked import Demand
from trainer.contract.attempts import Best, MetricPoint
from trainer.contract.evaluation import Evaluation
from trainer.contract.kinds import Resolved
from trainer.contract.prediction import Predictions
from trainer.contract.reasons import Reason
from trainer.contract.sweep import Metric


class State(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ASKED = {State.PAUSING, State.CANCELLING}
"""What any job that an attempt may still run of can be asked for."""

NEXT: dict[State, set[State]] = {
    State.QUEUED: {State.STARTING, State.FAILED} | ASKED,
    State.STARTING: {State.RUNNING, State.QUEUED, State.SUCCEEDED, State.FAILED} | ASKED,
    State.RUNNING: {State.QUEUED, State.SUCCEEDED, State.FAILED} | ASKED,
    State.PAUSING: {State.PAUSED, State.SUCCEEDED, State.FAILED, State.CANCELLING},
    State.PAUSED: {State.QUEUED, State.CANCELLING},
    State.CANCELLING: {State.CANCELLED},
    State.SUCCEEDED: {State.QUEUED},
    State.FAILED: {State.QUEUED},
    State.CANCELLED: {State.QUEUED},
}
"""State → the states that may follow. A short job can be seen succeeded while still starting, and one
that is being paused can come to its end first."""

TERMINAL = frozenset(state for state, followers in NEXT.items() if followers == {State.QUEUED})
"""They end a chain of attempts; only a request to resume opens it again."""
LIVE = frozenset(NEXT) - TERMINAL
RESUMABLE = TERMINAL | {State.PAUSED}
WORKING = frozenset({State.STARTING, State.RUNNING, State.PAUSING})
"""States whose time counts as the job's running."""
HOLDING = WORKING | {State.CANCELLING}
"""States in which an attempt may hold resources of the cluster."""

RESUMED_AFTER = timedelta(microseconds=1)
"""A job is resumed later than all that came before. By the order of times it is known which attempts are of
the time before; whoever moves a job may have looked at the clock before the state that it found was kept,
or have a clock that is behind."""


@dataclass(frozen=True)
class Progress:
    """How far a job is, as its newest metrics say. Of a prediction there is one epoch, and a step is an
    image."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float | None
    eta_s: float | None
    """Seconds until the last step at the present rate."""


@dataclass(frozen=True)
class BestTrial:
    """Of a sweep: the one with the lowest value of its metric."""

    number: int
    job: str
    """The id of its training."""
    metric: Metric
    value: float


@dataclass(frozen=True)
class Result:
    """What a succeeded job came to."""

    final: MetricPoint | None = None
    """The last validation of a training."""
    best: Best | None = None
    """Of a training."""
    evaluation: Evaluation | None = None
    """Of an evaluation, or of a training by a protocol other than center."""
    trial: BestTrial | None = None
    """Of a sweep."""
    predictions: Predictions | None = None
    """Of a prediction."""


@dataclass(frozen=True)
class Job:
    """A job as the service knows it."""

    id: str
    project: str
    spec: Resolved
    state: State
    reason: Reason | None
    """Why it is in this state. None only in jobs of an earlier version."""
    attempt: int
    """Number of its newest attempt, from 1; 0 before the first."""
    retries: int
    """Attempts that were spent on failures of the platform, since it was made or resumed."""
    created_at: datetime
    changed_at: datetime
    """Since when it is in this state."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: Progress | None = None
    result: Result | None = None
    workers: int | None = None
    """That its newest attempt was given; None before the first."""
    queued_at: datetime | None = None
    """When it was made, or last resumed: since then it stands in line. None: when it was made."""
    not_before: datetime | None = None
    """When a retry may start; None: at once."""
    ran_s: float = 0.0
    """Seconds that it ran up to this state, since it was made or resumed from an end."""
    revision: int = 0
    """Counts what was written of it: two writers that read the same one cannot both be right."""

    @property
    def placed(self) -> Resolved:
        """The spec as its newest attempt has it, or with all workers before the first."""
        return resolve.sized(self.spec, self.workers or self.spec.workers)

    @property
    def demand(self) -> Demand:
        """What its newest attempt takes, or the first will take at most."""
        return self.placed.demand

    @property
    def in_line_since(self) -> datetime:
        return self.queued_at or self.created_at


def advance(job: Job, to: State, *, at: datetime, reason: Reason) -> Job:
    """The job in its next state, never at an earlier time than when it came into this one. Raises
    IllegalTransition for a step the table does not have."""
    if to not in NEXT[job.state]:
        raise IllegalTransition(f"job {job.id} is {job.state}; it cannot become {to}")
    is_resumed = job.state in RESUMABLE and to is State.QUEUED
    at = max(at, job.changed_at + RESUMED_AFTER if is_resumed else job.changed_at)
    spent = (at - job.changed_at).total_seconds() if job.state in WORKING else 0.0
    moved = replace(
        job,
        state=to,
        reason=reason,
        changed_at=at,
        attempt=job.attempt + 1 if to is State.STARTING else job.attempt,
        started_at=at if to is State.RUNNING and job.started_at is None else job.started_at,
        ended_at=at if to in TERMINAL else None,
        not_before=job.not_before if to is State.QUEUED else None,
        ran_s=job.ran_s + spent,
    )
    return _resumed(moved, job.state) if is_resumed else moved


def _resumed(job: Job, was: State) -> Job:
    """Somebody asked for it to go on: it stands in line anew, with all its retries."""
    ran_s = job.ran_s if was is State.PAUSED else 0.0
    return replace(job, queued_at=job.changed_at, retries=0, result=None, ran_s=ran_s)
