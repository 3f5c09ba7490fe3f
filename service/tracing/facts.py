"""What is written down of an attempt that ended: read once, by the tracer's thread."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine, exists, select

from service.db.tables import AttemptRow, EventRow
from service.lifecycle import Job, State
from service.tracing.story import Facts, Kept
from trainer.contract import attempts, checkpoints, layout
from trainer.contract.attempts import MetricPoint, Outcome, Started
from trainer.contract.journal import chunk_key
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore

MOST_KEPT = 20
"""Checkpoints that are told of: the newest."""


def read(engine: Engine, objects: ObjectStore, job: Job) -> Facts | None:
    """Of the newest attempt; None if there was none, or if it ended before `job` came into its state: then
    the job was in line again, and was told of. Raises what the database and the store raise."""
    in_line_since = exists().where(
        EventRow.job_id == job.id,
        EventRow.attempt == job.attempt,
        EventRow.to_state == State.QUEUED.value,
        EventRow.at <= job.changed_at,
    )
    mine = select(AttemptRow.created_at, AttemptRow.submitted_at).where(
        AttemptRow.job_id == job.id, AttemptRow.number == job.attempt, ~in_line_since
    )
    with engine.connect() as connection:
        row = connection.execute(mine).first()
    if row is None:
        return None
    started = attempts.read(objects, layout.started(job.id, job.attempt), Started)
    outcome = attempts.read(objects, layout.outcome(job.id, job.attempt), Outcome)
    return Facts(
        began_at=row.created_at,
        submitted_at=row.submitted_at,
        started_at=started.at if started else None,
        first_step_at=_first_step_at(objects, job),
        kept=tuple(_kept(objects, job)),
        outcome_at=outcome.at if outcome else None,
    )


def _first_step_at(objects: ObjectStore, job: Job) -> datetime | None:
    try:
        lines = objects.get(chunk_key(layout.metrics(job.id, job.attempt), 0)).splitlines()
    except NoSuchObject:
        return None
    return MetricPoint.model_validate_json(lines[0]).time if lines else None


def _kept(objects: ObjectStore, job: Job) -> Iterator[Kept]:
    for prefix in [*checkpoints.of_attempt(objects, job.id, job.attempt)][-MOST_KEPT:]:
        try:
            found = checkpoints.read(objects, prefix)
        except (NoSuchObject, Damaged):  # deleted meanwhile, or of no use
            continue
        written = found.manifest.created_at
        measured = found.meta.metrics  # just before it was due
        yield Kept(found.meta.step, measured.time if measured else written, written)
