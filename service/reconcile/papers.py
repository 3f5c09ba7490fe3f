"""What the reconciler reads and writes of an attempt in the object store. Each can be done twice."""

import contextlib
from datetime import datetime
from typing import Literal

from service.lifecycle import Job
from trainer.contract import attempts, crashes, layout
from trainer.contract.attempts import Halt, Order, Outcome
from trainer.contract.crashes import Point
from trainer.contract.objects.store import AlreadyExists, ObjectStore
from trainer.contract.reasons import Code, Reason, reason


def give_order(objects: ObjectStore, job: Job) -> None:
    order = Order(
        job_id=job.id,
        attempt=job.attempt,
        spec=job.placed,
        resume_attempts=tuple(range(1, job.attempt)),
    )
    objects.put(layout.order(job.id, job.attempt), order.model_dump_json().encode())
    crashes.point(Point.AFTER_ORDER)


def ask_to_halt(objects: ObjectStore, job: Job, why: Reason, *, at: datetime) -> None:
    """Of several wishes the first stands: the attempt ends in either case."""
    wish = Halt(job_id=job.id, attempt=job.attempt, reason=why, at=at)
    with contextlib.suppress(AlreadyExists):
        objects.create(layout.halt(job.id, job.attempt), wish.model_dump_json().encode())
    crashes.point(Point.AFTER_HALT)


def outcome(objects: ObjectStore, job: Job, *, at: datetime) -> Outcome | None:
    """How the newest attempt ended; None while it has not."""
    try:
        return attempts.read(objects, layout.outcome(job.id, job.attempt), Outcome)
    except ValueError as error:
        return _unreadable(job, error, at)


def close(objects: ObjectStore, job: Job, why: Reason | None, *, at: datetime) -> Outcome:
    """Give the newest attempt up; the outcome that stands, which may be its own."""
    try:
        standing = attempts.commit_outcome(objects, _made(job, "given_up", why, at))
    except ValueError as error:
        standing = _unreadable(job, error, at)
    crashes.point(Point.AFTER_CLOSE)
    return standing


def _unreadable(job: Job, error: ValueError, at: datetime) -> Outcome:
    why = reason(Code.INTERNAL, f"Its outcome is unreadable: {error}")
    return _made(job, "failed", why, at)


def _made(
    job: Job, status: Literal["failed", "given_up"], why: Reason | None, at: datetime
) -> Outcome:
    return Outcome(job_id=job.id, attempt=job.attempt, status=status, reason=why, at=at)
