"""How the service connects to its database: SQLite for one machine, PostgreSQL for several."""

import sqlite3
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url

BUSY_TIMEOUT_S = 10
"""How long a writer waits for another one (SQLite has one at a time), and everybody for a connection."""
STATEMENT_TIMEOUT_S = 30
"""How long PostgreSQL works on one statement; the longest of the service takes milliseconds."""
IDLE_TIMEOUT_S = 5
"""How long a transaction may do nothing in PostgreSQL. A program that is frozen in the middle of one
holds its locks for so long, and then another program goes on."""
SILENCE_S = 15
"""After how long without an acknowledgement a connection to another machine counts as broken."""
POOL_SIZE = 20

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
            return _postgresql(url)
        case other:
            raise ValueError(
                f"'{other}' is no database of this service; "
                "use sqlite:///file or postgresql+psycopg://user@host/database"
            )


def _postgresql(url: str) -> Engine:
    limits = {
        "lock_timeout": BUSY_TIMEOUT_S,
        "statement_timeout": STATEMENT_TIMEOUT_S,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_S,
    }
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        pool_timeout=BUSY_TIMEOUT_S,
        pool_pre_ping=True,  # replaces connections that died with a restarted server
        connect_args={
            "connect_timeout": BUSY_TIMEOUT_S,
            "tcp_user_timeout": SILENCE_S * 1000,
            "keepalives_idle": SILENCE_S,
            "options": " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items()),
        },
    )


def _sqlite(url: str) -> Engine:
    # IMMEDIATE: a transaction takes the write lock with its first write, where it can wait for it.
    # The default would take it late, and fail at once if another writer came in between.
    options = {"timeout": BUSY_TIMEOUT_S, "isolation_level": "IMMEDIATE"}
    engine = create_engine(
        url, pool_size=POOL_SIZE, pool_timeout=BUSY_TIMEOUT_S, connect_args=options
    )

    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        for pragma in PRAGMAS:
            connection.execute(pragma)

    event.listen(engine, "connect", prepare)
    return engine
