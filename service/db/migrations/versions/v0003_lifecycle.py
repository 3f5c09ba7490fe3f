"""Pausing and resuming, fair turns, limits of time, deletion, keys and webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

PRIORITY_STEP_S = 3600
"""What a step of priority is worth; frozen here, as it was when this was written."""


def upgrade() -> None:
    _jobs()
    _set_turns()
    op.create_table(
        "trash",
        sa.Column("job_id", sa.String(64), primary_key=True),
        _time("deleted_at"),
        _time("sweep_at"),
    )
    _keys()
    _webhooks()


def _jobs() -> None:
    op.drop_index("ix_jobs_line", "jobs")
    # SQLite cannot add a column without a default that is not null.
    op.add_column("jobs", sa.Column("turn", sa.Double, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("workers", sa.Integer))
    op.add_column("jobs", _time("queued_at", nullable=True))
    op.add_column("jobs", _time("not_before", nullable=True))
    op.add_column("jobs", _time("pending_until", nullable=True))
    op.add_column("jobs", sa.Column("ran_s", sa.Double, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_jobs_line", "jobs", ["state", "project", "turn", "id", "not_before"])
    op.create_index("ix_jobs_pending_until", "jobs", ["pending_until"])


def _set_turns() -> None:
    """Of the jobs that are there: seconds since 1970, less an hour a step of priority."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    made = "unixepoch(created_at)" if sqlite else "extract(epoch from created_at)"
    op.execute(f"UPDATE jobs SET turn = {made} - {PRIORITY_STEP_S} * priority")  # noqa: S608


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        _time("created_at"),
    )
    op.create_table(
        "quotas",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("live_jobs", sa.Integer),
        sa.Column("cpus", sa.Double),
        sa.Column("gpus", sa.Double),
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("project", sa.String(64), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("states", sa.JSON),
        _time("created_at"),
    )
    op.create_index("ix_webhooks_project", "webhooks", ["project"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "webhook_id",
            sa.String(64),
            sa.ForeignKey("webhooks.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("message", sa.JSON, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        _time("next_at", nullable=True),
        _time("delivered_at", nullable=True),
        sa.Column("error", sa.String(500)),
        _time("created_at"),
    )
    op.create_index("ix_deliveries_next_at", "deliveries", ["next_at"])
    op.create_index("ix_deliveries_webhook_id", "deliveries", ["webhook_id", "id"])


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
