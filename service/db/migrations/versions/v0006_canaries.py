"""Canaries of deployments, and the version that served before."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("deployments", sa.Column("canary", sa.JSON, nullable=True))
    op.add_column("deployments", sa.Column("previous_version", sa.Integer, nullable=True))
