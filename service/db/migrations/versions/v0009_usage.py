"""What projects held of the cluster lately."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("share", sa.Double, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
