"""The first tables. `service/db/tables.py` says what each column means."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _jobs()
    _of_jobs()
    _models()
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        _time("expires_at"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("reason", sa.JSON),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("progress", sa.JSON),
        sa.Column("result", sa.JSON),
        _time("created_at"),
        _time("changed_at"),
        _time("started_at", nullable=True),
        _time("ended_at", nullable=True),
    )
    op.create_index("ix_jobs_line", "jobs", ["state", "priority", "id"])
    op.create_index("ix_jobs_project_id", "jobs", ["project", "id"])
    op.create_index("ix_jobs_project_state_id", "jobs", ["project", "state", "id"])


def _of_jobs() -> None:
    op.create_table(
        "job_labels",
        _job_id(primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(128), nullable=False),
    )
    op.create_index("ix_job_labels_key_value", "job_labels", ["key", "value"])
    op.create_table(
        "job_events",
        sa.Column("id", sa.Integer, primary_key=True),
        _job_id(),
        _time("at"),
        sa.Column("from_state", sa.String(16)),
        sa.Column("to_state", sa.String(16), nullable=False),
        sa.Column("reason", sa.JSON),
        sa.Column("attempt", sa.Integer, nullable=False),
    )
    op.create_index("ix_job_events_job_id", "job_events", ["job_id"])
    op.create_table(
        "job_attempts",
        _job_id(primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        _time("created_at"),
        _time("submitted_at", nullable=True),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("response", sa.JSON, nullable=False),
        _time("created_at"),
    )


def _models() -> None:
    op.create_table(
        "model_versions",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.String(200), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        _time("created_at"),
    )
    op.create_index("ix_model_versions_origin", "model_versions", ["project", "name", "origin"])
    op.create_table(
        "model_aliases",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("alias", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        _time("changed_at"),
    )
    op.create_table(
        "deployments",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("desired", sa.JSON, nullable=False),
        sa.Column("serving_version", sa.Integer),
        sa.Column("actual", sa.JSON),
        sa.Column("message", sa.String),
        _time("changed_at"),
    )


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _job_id(*, primary_key: bool = False) -> sa.Column[str]:
    owner = sa.ForeignKey("jobs.id", ondelete="CASCADE")
    return sa.Column("job_id", sa.String(64), owner, primary_key=primary_key, nullable=False)
