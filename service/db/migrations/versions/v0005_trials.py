"""Trials of sweeps, and the evaluations that come after them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("ix_jobs_kind_id", "jobs", ["kind", "id"])
    op.create_table(
        "trials",
        sa.Column(
            "sweep_id",
            sa.String(64),
            sa.ForeignKey("jobs.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column(
            "job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="SET NULL"), nullable=True
        ),
        sa.Column("point", sa.JSON, nullable=False),
        sa.Column("refusal", sa.JSON, nullable=True),
    )
    op.create_index("ix_trials_job_id", "trials", ["job_id"], unique=True)
    op.create_table(
        "sweep_evaluations",
        sa.Column(
            "sweep_id",
            sa.String(64),
            sa.ForeignKey("jobs.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("trial", sa.Integer, primary_key=True),
        sa.Column(
            "job_id", sa.String(64), sa.ForeignKey("jobs.id", ondelete="SET NULL"), nullable=True
        ),
    )
    op.create_index("ix_sweep_evaluations_job_id", "sweep_evaluations", ["job_id"], unique=True)
