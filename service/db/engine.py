"""How the service connects to its database: SQLite for one machine, PostgreSQL for several."""

import sqlite3
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url

BUSY_TIMEOUT_S = 10
"""How long a writer waits for another one (SQLite has one at a time)."""

PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # readers do not wait for writers
    "PRAGMA synchronous = FULL",  # what was answered survives a power cut
    "PRAGMA foreign_keys = ON",
)


def connect(url: str) -> Engine:
    """An engine for `sqlite:///file` or `postgresql+psycopg://…`; nothing is asked of it yet.
    Raises ValueError for any other database."""
    match make_url(url).get_backend_name():
        case "sqlite":
            return _sqlite(url)
        case "postgresql":
            parsed = make_url(url).set(drivername="postgresql+psycopg")
            # The ping replaces connections that died with a restarted server.
            return create_engine(
                parsed,
                pool_size=20,
                pool_pre_ping=True,
                connect_args={"connect_timeout": BUSY_TIMEOUT_S},
            )
        case other:
            raise ValueError(
                f"'{other}' is no database of this service; "
                "use sqlite:///file or postgresql+psycopg://user@host/database"
            )


def _sqlite(url: str) -> Engine:
    # IMMEDIATE: a transaction takes the write lock with its first write, where it can wait for it.
    # The default would take it late, and fail at once if another writer came in between.
    options = {"timeout": BUSY_TIMEOUT_S, "isolation_level": "IMMEDIATE"}
    engine = create_engine(url, pool_size=20, connect_args=options)

    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        for pragma in PRAGMAS:
            connection.execute(pragma)

    event.listen(engine, "connect", prepare)
    return engine
