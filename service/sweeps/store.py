"""Trials of sweeps in the database. Used by `Sweeps`."""

from dataclasses import dataclass, field

from sqlalchemy import Engine, insert, select, union_all
from sqlalchemy.exc import IntegrityError

from service.db.tables import JobRow, SweepEvaluationRow, TrialRow
from service.errors import Conflict
from service.jobs import rows
from service.jobs.store import Moved, nobody
from service.jobs.writes import add
from service.lifecycle import LIVE, TERMINAL, Job
from trainer.contract.reasons import Reason
from trainer.contract.space import Point

JOBS, TRIALS = JobRow.__table__.c, TrialRow.__table__.c
EVALUATIONS = SweepEvaluationRow.__table__.c


@dataclass(frozen=True)
class Trial:
    """One of a sweep."""

    number: int
    point: Point
    job: Job | None
    """That trains it; None: it was refused, or has been deleted since."""
    refusal: Reason | None = None
    """Why it could not be made."""


@dataclass(frozen=True)
class TrialStore:
    """Every method is one transaction."""

    engine: Engine
    moved: Moved = field(default=nobody, kw_only=True)

    def insert(
        self, sweep_id: str, number: int, point: Point, made: Job | None, why: Reason | None = None
    ) -> None:
        """Keep a new trial with its job, or why it has none. Raises Conflict when that trial is there, or
        the sweep is not."""
        row = {
            "sweep_id": sweep_id,
            "number": number,
            "job_id": made.id if made else None,
            "point": point,
            "refusal": rows.reason_column(why),
        }
        try:
            with self.engine.begin() as connection:
                if made:
                    add(connection, made)
                connection.execute(insert(TrialRow), row)
        except IntegrityError as error:
            raise Conflict(f"Trial {number} of {sweep_id} was made before.") from error
        if made:
            self.moved(None, made)

    def of(self, sweep_id: str) -> list[Trial]:
        """A sweep's, by number."""
        wanted = (
            select(*JOBS, TRIALS.number, TRIALS.point, TRIALS.refusal, TRIALS.job_id)
            .outerjoin_from(TrialRow, JobRow, TRIALS.job_id == JOBS.id)
            .where(TRIALS.sweep_id == sweep_id)
            .order_by(TRIALS.number)
        )
        with self.engine.connect() as connection:
            found = connection.execute(wanted).all()
        return [
            Trial(
                number=row.number,
                point=row.point,
                job=rows.job_of(row) if row.job_id else None,
                refusal=Reason.model_validate(row.refusal) if row.refusal else None,
            )
            for row in found
        ]

    def evaluate(self, sweep_id: str, trial: int, made: Job) -> None:
        """Keep an evaluation of a trial, or of all of them (0). Raises Conflict when it is there."""
        row = {"sweep_id": sweep_id, "trial": trial, "job_id": made.id}
        try:
            with self.engine.begin() as connection:
                add(connection, made)
                connection.execute(insert(SweepEvaluationRow), row)
        except IntegrityError as error:
            raise Conflict(f"Trial {trial} of {sweep_id} is evaluated already.") from error
        self.moved(None, made)

    def evaluations(self, sweep_id: str) -> dict[int, Job | None]:
        """A sweep's, by the number of the trial; None: it has been deleted since."""
        wanted = (
            select(*JOBS, EVALUATIONS.trial, EVALUATIONS.job_id)
            .outerjoin_from(SweepEvaluationRow, JobRow, EVALUATIONS.job_id == JOBS.id)
            .where(EVALUATIONS.sweep_id == sweep_id)
            .order_by(EVALUATIONS.trial)
        )
        with self.engine.connect() as connection:
            found = connection.execute(wanted).all()
        return {row.trial: rows.job_of(row) if row.job_id else None for row in found}

    def moving(self) -> list[Job]:
        """Sweeps that have not ended, or of which a job has not. Oldest first."""
        live = [state.value for state in LIVE]
        ended = [state.value for state in TERMINAL]
        alive = union_all(
            *(
                select(table.sweep_id)
                .join_from(table, JobRow, table.job_id == JOBS.id)
                .where(JOBS.state.in_(live))
                for table in (TrialRow, SweepEvaluationRow)
            )
        )
        wanted = select(*JOBS).where(
            JOBS.kind == "sweep", JOBS.state.not_in(ended) | JOBS.id.in_(alive)
        )
        with self.engine.connect() as connection:
            return [rows.job_of(row) for row in connection.execute(wanted.order_by(JOBS.id))]
