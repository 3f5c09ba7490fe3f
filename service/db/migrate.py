"""Brings a database to the tables this program knows. Used at start, and by tests."""

import time
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_265_736_964
"""Number of PostgreSQL's advisory lock under which one program at a time migrates."""


PATIENCE_S = 30.0
"""How long a starting program waits for a server that is starting too, or again."""
LOOK_EVERY_S = 0.5


class NoDatabase(SQLAlchemyError):
    """The database did not answer in time."""


class NewerDatabase(Exception):
    """The database was used by a later version of this program, which this one cannot read."""


def upgrade_when_it_answers(engine: Engine, *, within_s: float = PATIENCE_S) -> None:
    """`upgrade`, as soon as a database server takes it. SQLite answers at once or never.
    Raises NoDatabase, NewerDatabase."""
    deadline, said = time.monotonic() + within_s, False
    while True:
        try:
            return upgrade(engine)
        except OperationalError as error:
            if engine.dialect.name == "sqlite" or time.monotonic() > deadline:
                raise NoDatabase(
                    f"the database {engine.url.render_as_string()} does not answer: start it, or check "
                    f"RESIDUAL_DATABASE_URL ({error.orig})"
                ) from error
            if not said:
                said = True
                structlog.get_logger().warning("waiting_for_database", error=str(error.orig))
        time.sleep(LOOK_EVERY_S)  # between two looks


def upgrade(engine: Engine, *, to: str = "head") -> None:
    """Apply what is missing up to a revision, all or nothing. Raises NewerDatabase."""
    config = _config()
    with engine.begin() as connection:
        _lock(connection)
        found = MigrationContext.configure(connection).get_current_heads()
        if unknown := set(found) - known_revisions():
            raise NewerDatabase(
                f"the database is at revision {', '.join(sorted(unknown))}, which this program does "
                "not know: start the version that made it, or bring back what was backed up before its "
                "upgrade (`residual restore BACKUP --replace`)"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def revision_of(engine: Engine) -> str | None:
    """The revision that a database is at; None: it has no tables of ours."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def known_revisions() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


def head() -> str:
    """The revision that this program works with."""
    return str(_scripts().get_current_head())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _lock(connection: Connection) -> None:
    """Hold back other programs until the transaction ends, and make SQLite's tables part of it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")  # a large table takes its time
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
