"""Model versions that no job trained: they were imported."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # SQLite cannot change a column; in its case the table is made anew and its rows are copied.
    with op.batch_alter_table("model_versions") as table:
        table.alter_column("job_id", existing_type=sa.String(64), nullable=True)
