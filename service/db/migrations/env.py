"""Alembic runs this file for `migrate.upgrade`, which hands it the connection."""

from alembic import context

from service.db.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
