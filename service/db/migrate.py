"""Brings a database to the tables this program knows. Used at start, and by tests."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_265_736_964
"""Number of PostgreSQL's advisory lock under which one program at a time migrates."""


class NewerDatabase(Exception):
    """The database was used by a later version of this program, which this one cannot read."""


def upgrade(engine: Engine, *, to: str = "head") -> None:
    """Apply what is missing up to a revision, all or nothing. Raises NewerDatabase."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        _lock(connection)
        found = MigrationContext.configure(connection).get_current_heads()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if unknown := set(found) - known:
            raise NewerDatabase(
                f"the database is at revision {', '.join(sorted(unknown))}, which this program does "
                "not know: start the version that made it, or restore a copy from before its upgrade"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def _lock(connection: Connection) -> None:
    """Hold back other programs until the transaction ends, and make SQLite's tables part of it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
