"""Jobs as rows of the database, and back. Used by `JobStore`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from service.lifecycle import Job, Progress, Result, State
from trainer.contract.kinds import Resolved
from trainer.contract.reasons import Reason

AnyRow = Row[*tuple[Any, ...]]

PRIORITY_STEP_S = 3600
"""Seconds of waiting that a step of priority is worth: so nobody waits for ever behind higher ones, and
the order of the line needs no change while time goes by."""

_PROGRESS = TypeAdapter(Progress)
_RESULT = TypeAdapter(Result)
_JOB = TypeAdapter(Job)
_SPEC: TypeAdapter[Resolved] = TypeAdapter(Resolved)


@dataclass(frozen=True)
class Event:
    """One change of a job's state."""

    at: datetime
    from_state: State | None
    """None: the job was made."""
    to_state: State
    reason: Reason | None
    attempt: int


def changing(job: Job) -> dict[str, Any]:
    """The columns that change in a job's life."""
    return {
        "state": job.state.value,
        **reason_columns(job.reason),
        "attempt": job.attempt,
        "retries": job.retries,
        "progress": progress_column(job.progress),
        "result": _RESULT.dump_python(job.result, mode="json") if job.result else None,
        "changed_at": job.changed_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "workers": job.workers,
        "queued_at": job.queued_at,
        "not_before": job.not_before,
        "pending_until": _pending_until(job),
        "ran_s": job.ran_s,
        "turn": turn(job),
        "revision": job.revision,
    }


def asked(job: Job) -> dict[str, Any]:
    """The columns that change only when somebody asks for it."""
    return {"priority": job.spec.priority, "spec": job.spec.model_dump(mode="json")}


def columns(job: Job) -> dict[str, Any]:
    """All columns of a job's row."""
    fixed = {
        "id": job.id,
        "project": job.project,
        "kind": job.spec.kind,
        "created_at": job.created_at,
    }
    return fixed | asked(job) | changing(job)


def labels(job: Job) -> list[dict[str, str]]:
    """The rows of its labels."""
    return [
        {"job_id": job.id, "key": key, "value": value} for key, value in job.spec.labels.items()
    ]


def job_of(row: AnyRow) -> Job:
    return Job(
        id=row.id,
        project=row.project,
        spec=_SPEC.validate_python(row.spec),
        state=State(row.state),
        reason=_reason(row.reason),
        attempt=row.attempt,
        retries=row.retries,
        created_at=row.created_at,
        changed_at=row.changed_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        progress=_PROGRESS.validate_python(row.progress) if row.progress else None,
        result=_RESULT.validate_python(row.result) if row.result else None,
        workers=row.workers,
        queued_at=row.queued_at,
        not_before=row.not_before,
        ran_s=row.ran_s,
        revision=row.revision,
    )


def event_columns(job: Job, was: State | None) -> dict[str, Any]:
    """The event that says how `job` came into its state."""
    return {
        "job_id": job.id,
        "at": job.changed_at,
        "from_state": was.value if was else None,
        "to_state": job.state.value,
        "reason": reason_column(job.reason),
        "attempt": job.attempt,
    }


def event_of(row: AnyRow) -> Event:
    return Event(
        at=row.at,
        from_state=State(row.from_state) if row.from_state else None,
        to_state=State(row.to_state),
        reason=_reason(row.reason),
        attempt=row.attempt,
    )


def reason_column(reason: Reason | None) -> dict[str, Any] | None:
    return reason.model_dump(mode="json") if reason else None


def reason_columns(reason: Reason | None) -> dict[str, Any]:
    """Of a job."""
    code = reason.code.value if reason else None
    return {"reason": reason_column(reason), "reason_code": code}


def progress_column(progress: Progress | None) -> dict[str, Any] | None:
    return _PROGRESS.dump_python(progress, mode="json") if progress else None


def whole(job: Job) -> dict[str, Any]:
    """A job as JSON, to be shown again exactly as it was."""
    shown: dict[str, Any] = _JOB.dump_python(job, mode="json")
    return shown


def unwhole(shown: dict[str, Any]) -> Job:
    return _JOB.validate_python(shown)


def turn(job: Job) -> float:
    """Among a project's queued jobs the lowest starts first."""
    return job.in_line_since.timestamp() - PRIORITY_STEP_S * job.spec.priority


def _pending_until(job: Job) -> datetime | None:
    if job.state is not State.QUEUED or job.spec.max_pending is None:
        return None
    return job.changed_at + timedelta(seconds=job.spec.max_pending)


def _reason(column: dict[str, Any] | None) -> Reason | None:
    return Reason.model_validate(column) if column else None
