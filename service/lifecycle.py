"""The life of a job. Every change of state is made here, and nowhere else.

queued ──▶ starting ──▶ running ──▶ succeeded
  ▲  │         │  │        │  │
  │  │         │  └────────┴──┴───▶ failed
  └──┼─────────┴── retry ──┘
     └──▶ cancelling ──▶ cancelled          (from any live state)
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from service.errors import IllegalTransition
from trainer.contract.attempts import Best, MetricPoint
from trainer.contract.evaluation import Evaluation
from trainer.contract.kinds import Resolved
from trainer.contract.reasons import Reason


class State(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


NEXT: dict[State, set[State]] = {
    State.QUEUED: {State.STARTING, State.CANCELLING},
    State.STARTING: {State.RUNNING, State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELLING},
    State.RUNNING: {State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELLING},
    State.CANCELLING: {State.CANCELLED},
    State.SUCCEEDED: set(),
    State.FAILED: set(),
    State.CANCELLED: set(),
}
"""State → the states that may follow. A short job can be seen succeeded while still starting."""

TERMINAL = frozenset(state for state, followers in NEXT.items() if not followers)
LIVE = frozenset(NEXT) - TERMINAL
HOLDING = frozenset({State.STARTING, State.RUNNING, State.CANCELLING})
"""States in which an attempt may hold resources of the cluster."""


@dataclass(frozen=True)
class Progress:
    """How far a job is, as its newest metrics say."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float | None
    eta_s: float | None
    """Seconds until the last step at the present rate."""


@dataclass(frozen=True)
class Result:
    """What a succeeded job came to."""

    final: MetricPoint | None = None
    """The last validation of a training."""
    best: Best | None = None
    """Of a training."""
    evaluation: Evaluation | None = None
    """Of an evaluation, or of a training by a protocol other than center."""


@dataclass(frozen=True)
class Job:
    """A job as the service knows it."""

    id: str
    project: str
    spec: Resolved
    state: State
    reason: Reason | None
    attempt: int
    """Number of its newest attempt, from 1; 0 before the first."""
    retries: int
    """Attempts that were spent on failures of the platform."""
    created_at: datetime
    changed_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: Progress | None = None
    result: Result | None = None


def advance(job: Job, to: State, *, at: datetime, reason: Reason | None = None) -> Job:
    """The job in its next state. Raises IllegalTransition for a step the table does not have."""
    if to not in NEXT[job.state]:
        raise IllegalTransition(f"job {job.id} is {job.state}; it cannot become {to}")
    return replace(
        job,
        state=to,
        reason=reason,
        changed_at=at,
        attempt=job.attempt + 1 if to is State.STARTING else job.attempt,
        started_at=at if to is State.RUNNING and job.started_at is None else job.started_at,
        ended_at=at if to in TERMINAL else None,
    )
