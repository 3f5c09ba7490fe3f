"""Jobs in the database: the truth about them. Used by `Jobs` and the reconciler."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from service.db.tables import (
    AttemptRow,
    EventRow,
    IdempotencyRow,
    JobRow,
    LabelRow,
    TrashRow,
)
from service.errors import AlreadyTaken
from service.jobs import leftovers, rows, writes
from service.jobs.rows import Event
from service.lifecycle import HOLDING, TERMINAL, Job, Progress, State
from service.webhooks import outbox
from trainer.contract.reasons import Reason

JOBS = JobRow.__table__.c
COLUMNS = tuple(JOBS)

Moved = Callable[[Job | None, Job], None]
"""Is told of every change of a job's state, after it is kept: the job before (None: it is new), and now."""


def nobody(was: Job | None, now: Job) -> None:
    """Listens."""


@dataclass(frozen=True)
class Claim:
    """An idempotency key, and the body it was used with."""

    key: str
    body_sha256: str


@dataclass(frozen=True)
class Claimed:
    """A claim that stands, and the job as it was first answered."""

    body_sha256: str
    job: Job


@dataclass(frozen=True)
class Filter:
    """Which jobs are wanted: those to which all of it applies."""

    state: State | None = None
    kind: str | None = None
    label: tuple[str, str] | None = None
    """A key with its value."""


@dataclass(frozen=True)
class Page:
    """Jobs, newest first. `next_cursor` asks for those after them; None: there are none."""

    items: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Held:
    """A job that may hold resources of the cluster."""

    job: Job
    submitted: bool
    """Whether the cluster took its newest attempt."""
    attempted: bool = True
    """Whether it has an attempt that may run: one that was made since it was made or last resumed."""


@dataclass(frozen=True)
class Trash:
    """A deleted job."""

    job_id: str
    deleted_at: datetime


@dataclass(frozen=True)
class JobStore:
    """Every method is one transaction."""

    engine: Engine
    moved: Moved = field(default=nobody, kw_only=True)

    def insert(self, job: Job, claim: Claim | None = None) -> None:
        """Keep a new job and its first event, and the answer to its idempotency key.
        Raises AlreadyTaken when the key is in use; then nothing is kept."""
        try:
            with self.engine.begin() as connection:
                if claim:
                    _keep(connection, job, claim)
                writes.add(connection, job)
        except IntegrityError as error:
            if claim is None:
                raise
            raise AlreadyTaken("The idempotency key is in use; use another one.") from error
        self.moved(None, job)

    def claimed(self, project: str, key: str, *, since: datetime) -> Claimed | None:
        """The claim on an idempotency key, unless it was made before `since`."""
        found = select(IdempotencyRow.body_sha256, IdempotencyRow.response).where(
            IdempotencyRow.project == project,
            IdempotencyRow.key == key,
            IdempotencyRow.created_at >= since,
        )
        with self.engine.connect() as connection:
            row = connection.execute(found).first()
        return Claimed(row.body_sha256, rows.unwhole(row.response)) if row else None

    def forget_claims(self, before: datetime, *, of: tuple[str, str] | None = None) -> None:
        """Delete the claims made before a time, of all keys or of one (project, key)."""
        old = delete(IdempotencyRow).where(IdempotencyRow.created_at < before)
        if of:
            old = old.where(IdempotencyRow.project == of[0], IdempotencyRow.key == of[1])
        with self.engine.begin() as connection:
            connection.execute(old)

    def get(self, project: str, job_id: str) -> Job | None:
        found = select(*COLUMNS).where(JOBS.id == job_id, JOBS.project == project)
        with self.engine.connect() as connection:
            row = connection.execute(found).first()
        return rows.job_of(row) if row else None

    def page(self, project: str, only: Filter, *, limit: int, cursor: str | None) -> Page:
        """A project's jobs, newest first, after `cursor`."""
        wanted = select(*COLUMNS).where(JOBS.project == project)
        if only.state:
            wanted = wanted.where(JOBS.state == only.state.value)
        if only.kind:
            wanted = wanted.where(JOBS.kind == only.kind)
        if only.label:
            key, value = only.label
            labelled = select(LabelRow.job_id).where(LabelRow.key == key, LabelRow.value == value)
            wanted = wanted.where(JOBS.id.in_(labelled))
        if cursor:
            wanted = wanted.where(JOBS.id < cursor)
        jobs = self._jobs(wanted.order_by(JOBS.id.desc()).limit(limit + 1))
        more = len(jobs) > limit
        return Page(tuple(jobs[:limit]), jobs[limit - 1].id if more else None)

    def save(self, job: Job, *, was: Job, through: tuple[Job, ...] = ()) -> Job:
        """Keep `job` in its new state if nobody has written it since `was` was read; the event, those of
        the states it only went `through`, and a new attempt's row are kept with it. The job as it is
        kept. Raises Conflict."""
        with self.engine.begin() as connection:
            kept = writes.replace_row(connection, job, was)
            for before, after in pairwise((was, *through, job)):
                connection.execute(insert(EventRow), rows.event_columns(after, before.state))
                outbox.note(connection, after, before.state)
            leftovers.note(connection, kept)
            if job.attempt > was.attempt:
                attempt = {"job_id": job.id, "number": job.attempt, "created_at": job.changed_at}
                connection.execute(insert(AttemptRow), attempt)
        for before, after in pairwise((was, *through, kept)):
            self.moved(before, after)
        return kept

    def amend(self, job: Job, *, was: Job) -> Job:
        """Keep what somebody asked to change of a job (priority, name, labels) in the same state. The
        job as it is kept. Raises Conflict as `save` does."""
        with self.engine.begin() as connection:
            kept = writes.replace_row(connection, job, was)
            connection.execute(delete(LabelRow).where(LabelRow.job_id == job.id))
            if labels := rows.labels(job):
                connection.execute(insert(LabelRow), labels)
        return kept

    def delete(self, was: Job, *, at: datetime) -> None:
        """Forget a job, and a sweep's trials with it; their objects are left to whoever empties the trash.
        Raises Conflict as `save` does, and when a trial is live."""
        with self.engine.begin() as connection:
            gone = writes.remove(connection, was)
            trash = [{"job_id": id_, "deleted_at": at, "sweep_at": at} for id_ in gone]
            connection.execute(insert(TrashRow), trash)

    def live_trials(self, sweep: Job) -> list[str]:
        """Ids of its trainings and evaluations that have not ended."""
        with self.engine.connect() as connection:
            of_it = writes.members(connection, sweep)
            live = JOBS.state.not_in([state.value for state in TERMINAL])
            return list(connection.scalars(select(JOBS.id).where(JOBS.id.in_(of_it), live)))

    def measured(self, *, limit: int) -> list[Job]:
        """The newest trainings, of all projects, that have come to a rate."""
        wanted = select(*COLUMNS).where(JOBS.kind == "train", JOBS.progress.is_not(None))
        return self._jobs(wanted.order_by(JOBS.id.desc()).limit(limit))

    def holding(self) -> list[Held]:
        """Every job that may hold resources, oldest first."""
        newest = and_(AttemptRow.job_id == JOBS.id, AttemptRow.number == JOBS.attempt)
        wanted = (
            select(*COLUMNS, AttemptRow.submitted_at, AttemptRow.created_at.label("attempted_at"))
            .outerjoin_from(JobRow, AttemptRow, newest)
            .where(JOBS.state.in_([state.value for state in HOLDING]))
            .order_by(JOBS.id)
        )
        with self.engine.connect() as connection:
            found = connection.execute(wanted).all()
        return [_held(rows.job_of(row), row.submitted_at, row.attempted_at) for row in found]

    def line(
        self, project: str, *, now: datetime, limit: int, after: Job | None = None
    ) -> list[Job]:
        """A project's queued jobs whose retries are not still to wait, in the order of their turns."""
        order = (JOBS.turn, JOBS.id)
        ids = select(JOBS.id).where(JOBS.state == State.QUEUED.value, JOBS.project == project)
        ids = ids.where(_may_start(now))
        if after:
            first = rows.turn(after)
            ids = ids.where((JOBS.turn > first) | ((JOBS.turn == first) & (JOBS.id > after.id)))
        # The index answers the inner question alone: thousands of queued jobs are not read.
        ids = ids.order_by(*order).limit(limit)
        wanted = select(*COLUMNS).where(JOBS.id.in_(ids), JOBS.state == State.QUEUED.value)
        return self._jobs(wanted.order_by(*order))

    def heads(self, *, now: datetime) -> dict[str, float]:
        """Projects that have jobs in `line`, each with the turn of its first."""
        queued = (JOBS.state == State.QUEUED.value, _may_start(now))
        first = func.min(JOBS.turn).label("first")
        wanted = select(JOBS.project, first).where(*queued).group_by(JOBS.project)
        with self.engine.connect() as connection:
            return {row.project: row.first for row in connection.execute(wanted)}

    def pending_too_long(self, now: datetime, *, limit: int) -> list[Job]:
        """Queued jobs whose `max_pending` is over."""
        wanted = select(*COLUMNS).where(JOBS.pending_until <= now)
        return self._jobs(wanted.order_by(JOBS.pending_until).limit(limit))

    def trash(self, now: datetime, *, limit: int) -> list[Trash]:
        """Deleted jobs whose objects are to be removed now."""
        wanted = select(*TrashRow.__table__.c).where(TrashRow.sweep_at <= now)
        with self.engine.connect() as connection:
            found = connection.execute(wanted.order_by(TrashRow.sweep_at).limit(limit))
            return [Trash(row.job_id, row.deleted_at) for row in found]

    def swept(self, job_id: str, *, again_at: datetime | None) -> None:
        """A deleted job's objects are removed; they are looked for again, or never more."""
        one = TrashRow.job_id == job_id
        done = delete(TrashRow).where(one)
        again = update(TrashRow).where(one).values(sweep_at=again_at)
        with self.engine.begin() as connection:
            connection.execute(again if again_at else done)

    def set_reasons(self, reasons: Mapping[str, Reason]) -> None:
        """What queued jobs wait for, by id. Jobs that are no longer queued stay as they are."""
        with self.engine.begin() as connection:
            for job_id, reason in reasons.items():
                connection.execute(
                    update(JobRow)
                    .where(JOBS.id == job_id, JOBS.state == State.QUEUED.value)
                    .values(rows.reason_columns(reason))
                )

    def set_progress(self, job: Job, progress: Progress) -> None:
        """How far an attempt is, unless the job has moved on."""
        note = (
            update(JobRow)
            .where(JOBS.id == job.id, JOBS.state == job.state.value, JOBS.attempt == job.attempt)
            .values(progress=rows.progress_column(progress))
        )
        with self.engine.begin() as connection:
            connection.execute(note)

    def mark_submitted(self, job: Job, *, at: datetime) -> bool:
        """Note that the cluster took the job's newest attempt: it must not be submitted again.
        False when the job has ended or gone on meanwhile."""
        holds = exists().where(
            JOBS.id == job.id,
            JOBS.attempt == job.attempt,
            JOBS.state.in_([state.value for state in HOLDING]),
        )
        mark = (
            update(AttemptRow)
            .where(AttemptRow.job_id == job.id, AttemptRow.number == job.attempt, holds)
            .values(submitted_at=at)
        )
        with self.engine.begin() as connection:
            return connection.execute(mark).rowcount == 1

    def events(self, job_id: str) -> list[Event]:
        """Every change of a job's state, oldest first."""
        wanted = select(*EventRow.__table__.c).where(EventRow.job_id == job_id)
        with self.engine.connect() as connection:
            return [rows.event_of(row) for row in connection.execute(wanted.order_by(EventRow.id))]

    def _jobs(self, wanted: Select[Any]) -> list[Job]:
        with self.engine.connect() as connection:
            return [rows.job_of(row) for row in connection.execute(wanted)]


def _may_start(now: datetime) -> ColumnElement[bool]:
    return JOBS.not_before.is_(None) | (JOBS.not_before <= now)


def _held(job: Job, submitted_at: datetime | None, attempted_at: datetime | None) -> Held:
    is_new = attempted_at is not None and attempted_at >= job.in_line_since
    return Held(job, submitted=submitted_at is not None, attempted=is_new)


def _keep(connection: Connection, job: Job, claim: Claim) -> None:
    kept = {
        "project": job.project,
        "key": claim.key,
        "body_sha256": claim.body_sha256,
        "job_id": job.id,
        "response": rows.whole(job),
        "created_at": job.created_at,
    }
    connection.execute(insert(IdempotencyRow), kept)
