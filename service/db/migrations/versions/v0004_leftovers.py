"""Jobs whose checkpoints are to be tidied."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

RESTING = ("paused", "succeeded", "failed", "cancelled")
"""Frozen here, as they were when this was written."""


def upgrade() -> None:
    op.create_table(
        "leftovers",
        sa.Column(
            "job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tidy_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_leftovers_tidy_at", "leftovers", ["tidy_at"])
    states = ", ".join(f"'{state}'" for state in RESTING)
    op.execute(
        "INSERT INTO leftovers (job_id, since, tidy_at) SELECT id, changed_at, changed_at FROM jobs "  # noqa: S608
        f"WHERE kind = 'train' AND attempt > 0 AND state IN ({states})"
    )
