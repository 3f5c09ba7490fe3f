"""Writes of jobs that are parts of one transaction. Used by `JobStore` and by the store of trials."""

from dataclasses import replace

from sqlalchemy import Connection, delete, insert, select, union_all, update

from service.db.tables import EventRow, JobRow, LabelRow, SweepEvaluationRow, TrialRow
from service.errors import Conflict
from service.jobs import rows
from service.lifecycle import TERMINAL, Job
from service.webhooks import outbox

JOBS = JobRow.__table__.c


def add(connection: Connection, job: Job) -> None:
    """A new job with its labels and its first event."""
    connection.execute(insert(JobRow), rows.columns(job))
    connection.execute(insert(EventRow), rows.event_columns(job, None))
    outbox.note(connection, job, None)
    if labels := rows.labels(job):
        connection.execute(insert(LabelRow), labels)


def replace_row(connection: Connection, job: Job, was: Job) -> Job:
    """Write `job` over `was`. Raises Conflict."""
    kept = replace(job, revision=was.revision + 1)
    values = rows.changing(kept)
    if job.spec != was.spec:
        values |= rows.asked(job)
    write = update(JobRow).where(JOBS.id == was.id, JOBS.revision == was.revision).values(values)
    if connection.execute(write).rowcount != 1:
        raise _moved(was)
    return kept


def remove(connection: Connection, was: Job) -> list[str]:
    """Delete a job, and a sweep's jobs with it; the ids of all that are gone. Raises Conflict, also when
    one of them has not ended."""
    of_it = members(connection, was)
    gone = delete(JobRow).where(JOBS.id == was.id, JOBS.revision == was.revision)
    if connection.execute(gone).rowcount != 1:
        raise _moved(was)
    ended = JOBS.state.in_([state.value for state in TERMINAL])
    if of_it and connection.execute(
        delete(JobRow).where(JOBS.id.in_(of_it), ended)
    ).rowcount != len(of_it):
        raise _moved(was)
    return [was.id, *of_it]


def members(connection: Connection, sweep: Job) -> list[str]:
    """Ids of its trainings and evaluations; none if it is no sweep."""
    of_it = union_all(
        *(
            select(table.job_id).where(table.sweep_id == sweep.id, table.job_id.is_not(None))
            for table in (TrialRow, SweepEvaluationRow)
        )
    )
    return [str(found) for found in connection.scalars(of_it)]


def _moved(was: Job) -> Conflict:
    return Conflict(f"Job {was.id} is no longer {was.state}; look at it again.")
