"""What a job waits for as a column, and an index that answers how many wait for what."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("reason_code", sa.String(32), nullable=True))
    jobs = sa.table("jobs", sa.column("reason", sa.JSON), sa.column("reason_code", sa.String))
    op.execute(jobs.update().values(reason_code=jobs.c.reason["code"].as_string()))
    op.create_index(
        "ix_jobs_tally", "jobs", ["state", "kind", "project", "reason_code", "changed_at"]
    )
