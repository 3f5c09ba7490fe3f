"""The database's tables. Migrations in `migrations/` make them; a test holds the two together."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Times with their zone, also in SQLite, which keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {datetime: UtcDateTime, dict[str, Any]: JSON(none_as_null=True)}


class JobRow(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_project_id", "project", "id"),
        Index("ix_jobs_project_state_id", "project", "state", "id"),
        Index("ix_jobs_line", "state", "project", "turn", "id", "not_before"),
        Index("ix_jobs_pending_until", "pending_until"),
        Index("ix_jobs_kind_id", "kind", "id"),
        Index("ix_jobs_tally", "state", "kind", "project", "reason_code", "changed_at"),
    )
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Ascends with the time of creation."""
    project: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int]
    turn: Mapped[float]
    """Whose turn comes first among a project's queued jobs: the lowest's. `rows` says how it is made."""
    reason: Mapped[dict[str, Any] | None]
    reason_code: Mapped[str | None] = mapped_column(String(32))
    """The code in `reason`: `/metrics` counts by it, out of an index."""
    attempt: Mapped[int]
    workers: Mapped[int | None]
    retries: Mapped[int]
    spec: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    queued_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    pending_until: Mapped[datetime | None]
    """When a queued job has waited for too long; None: never, or it is not queued."""
    ran_s: Mapped[float]
    revision: Mapped[int]
    """Rises with every write of the job; what was read at another one is out of date."""


class LabelRow(Base):
    __tablename__ = "job_labels"
    __table_args__ = (Index("ix_job_labels_key_value", "key", "value"),)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(128))


class EventRow(Base):
    __tablename__ = "job_events"
    __table_args__ = (Index("ix_job_events_job_id", "job_id"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[dict[str, Any] | None]
    attempt: Mapped[int]


class AttemptRow(Base):
    __tablename__ = "job_attempts"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    """When the cluster took it; before that it may be submitted again."""


class TrialRow(Base):
    """A trial of a sweep, and the job that trains it."""

    __tablename__ = "trials"
    __table_args__ = (Index("ix_trials_job_id", "job_id", unique=True),)
    sweep_id: Mapped[str] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    """None: it was refused, or has been deleted since."""
    point: Mapped[dict[str, Any]]
    refusal: Mapped[dict[str, Any] | None]
    """Why it could not be made."""


class SweepEvaluationRow(Base):
    """An evaluation that a sweep ends with."""

    __tablename__ = "sweep_evaluations"
    __table_args__ = (Index("ix_sweep_evaluations_job_id", "job_id", unique=True),)
    sweep_id: Mapped[str] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    trial: Mapped[int] = mapped_column(primary_key=True)
    """Its number; 0 is all of them together."""
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    """None: it has been deleted since."""


class TrashRow(Base):
    """A deleted job whose objects are still to be removed."""

    __tablename__ = "trash"
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    deleted_at: Mapped[datetime]
    sweep_at: Mapped[datetime]
    """When its objects are removed next."""


class LeftoverRow(Base):
    """A job whose checkpoints are still to be tidied."""

    __tablename__ = "leftovers"
    __table_args__ = (Index("ix_leftovers_tidy_at", "tidy_at"),)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime]
    """When the change of state was that calls for it."""
    tidy_at: Mapped[datetime]
    """When it is looked at next."""


class IdempotencyRow(Base):
    __tablename__ = "idempotency_keys"
    project: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(String(64))
    response: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class ModelVersionRow(Base):
    __tablename__ = "model_versions"
    __table_args__ = (Index("ix_model_versions_origin", "project", "name", "origin"),)
    project: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    origin: Mapped[str] = mapped_column(String(200))
    """Prefix of the checkpoint it was made of."""
    job_id: Mapped[str | None] = mapped_column(String(64))
    """Of the job that trained it; None if it was imported."""
    meta: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class AliasRow(Base):
    __tablename__ = "model_aliases"
    project: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    alias: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int]
    changed_at: Mapped[datetime]


class DeploymentRow(Base):
    __tablename__ = "deployments"
    project: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    desired: Mapped[dict[str, Any]]
    """As asked: version or alias, replicas, canary."""
    serving_version: Mapped[int | None]
    """The version that answers /predict now."""
    actual: Mapped[dict[str, Any] | None]
    """What Ray Serve was last seen doing: state and running replicas. None before the first look."""
    message: Mapped[str | None]
    """Why the desired version does not serve, when it does not."""
    canary: Mapped[dict[str, Any] | None]
    """What Ray Serve was last seen doing about the canary, and of which version that is."""
    previous_version: Mapped[int | None]
    """The version that served before."""
    changed_at: Mapped[datetime]


class EnsembleMemberRow(Base):
    """One of the model versions that a version of an ensemble averages. It never changes."""

    __tablename__ = "ensemble_members"
    __table_args__ = (Index("ix_ensemble_members_model", "project", "model", "model_version"),)
    project: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the ensemble; no model has it."""
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Of the ensemble, from 1."""
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0."""
    model: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[int]


class KeyRow(Base):
    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    project: Mapped[str] = mapped_column(String(64))
    name: Mapped[str | None] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the key, which is kept nowhere."""
    created_at: Mapped[datetime]


class QuotaRow(Base):
    """What a project may use at most; None is no limit."""

    __tablename__ = "quotas"
    project: Mapped[str] = mapped_column(String(64), primary_key=True)
    live_jobs: Mapped[int | None]
    """Jobs that have not ended."""
    cpus: Mapped[float | None]
    """At once."""
    gpus: Mapped[float | None]
    """At once."""


class UsageRow(Base):
    """What a project held of the cluster lately: a mean in which older times count less."""

    __tablename__ = "usage"
    project: Mapped[str] = mapped_column(String(64), primary_key=True)
    share: Mapped[float]
    """From 0 to 1: of its CPUs or of its GPUs, whichever is more."""
    at: Mapped[datetime]
    """Up to when it counts."""


class WebhookRow(Base):
    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_project", "project"),)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    project: Mapped[str] = mapped_column(String(64))
    url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str] = mapped_column(String(100))
    """Both sides need it to sign and to verify."""
    states: Mapped[dict[str, Any] | None]
    """`{"only": [...]}`: the states of which it is told; None: all."""
    created_at: Mapped[datetime]


class DeliveryRow(Base):
    """A change of a job's state that a webhook is to be told: written with the change itself."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_next_at", "next_at"),
        Index("ix_deliveries_webhook_id", "webhook_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    message: Mapped[dict[str, Any]]
    tries: Mapped[int]
    next_at: Mapped[datetime | None]
    """When it is sent (again); None: it was taken, or given up."""
    delivered_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))
    """Of the last try, when it failed."""
    created_at: Mapped[datetime]


class LeaseRow(Base):
    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
