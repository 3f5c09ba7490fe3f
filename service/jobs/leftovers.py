"""Jobs whose checkpoints are to be tidied: noted with the change of state that calls for it. The
reconciler's `tidy` goes through them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, insert, select, update

from service.db.tables import JobRow, LeftoverRow
from service.jobs import rows
from service.lifecycle import RESUMABLE, Job, State
from trainer.contract.spec import ResolvedSpec


def note(connection: Connection, job: Job) -> None:
    """`job` has come into its state: does it leave something to tidy? A job that rests does, and one whose
    newest attempt has found where it goes on from."""
    goes_on = job.state is State.RUNNING and job.attempt > 1
    if not (job.state in RESUMABLE or goes_on):
        return
    if job.attempt and isinstance(job.spec, ResolvedSpec):
        connection.execute(delete(LeftoverRow).where(LeftoverRow.job_id == job.id))
        kept = {"job_id": job.id, "since": job.changed_at, "tidy_at": job.changed_at}
        connection.execute(insert(LeftoverRow), kept)


@dataclass(frozen=True)
class Leftover:
    """What is to be tidied."""

    job: Job
    """As it is now."""
    since: datetime


@dataclass(frozen=True)
class Leftovers:
    """Every method is one transaction."""

    engine: Engine

    def due(self, now: datetime, *, limit: int) -> list[Leftover]:
        """Those to look at now, the longest due first."""
        wanted = (
            select(*JobRow.__table__.c, LeftoverRow.since)
            .join_from(LeftoverRow, JobRow, LeftoverRow.job_id == JobRow.id)
            .where(LeftoverRow.tidy_at <= now)
            .order_by(LeftoverRow.tidy_at)
            .limit(limit)
        )
        with self.engine.connect() as connection:
            return [
                Leftover(rows.job_of(row), row.since) for row in connection.execute(wanted).all()
            ]

    def tidied(self, done: Leftover, *, again_at: datetime | None) -> None:
        """It is looked at again then, or never more; unless it was noted anew meanwhile."""
        one = (LeftoverRow.job_id == done.job.id) & (LeftoverRow.since == done.since)
        again = update(LeftoverRow).where(one).values(tidy_at=again_at)
        with self.engine.begin() as connection:
            connection.execute(again if again_at else delete(LeftoverRow).where(one))
