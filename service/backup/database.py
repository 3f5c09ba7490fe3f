"""The database as a file that is the same for SQLite and PostgreSQL: one JSON line a row. Used by `making`
and `restoring`.

{"table": "jobs", "row": {"id": "job-…", "created_at": "2026-01-01T00:00:00+00:00", …}}
"""

import gzip
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, DateTime, Engine, Integer, MetaData, Table, insert, select
from sqlalchemy import text as sql

from service.db import migrate
from service.db.tables import Base, JobRow, LeaseRow, ModelVersionRow
from service.jobs import rows
from service.lifecycle import Job

LEFT_OUT = {LeaseRow.__tablename__}
"""Who is at work now: nothing to bring back."""
MIGRATED = "alembic_version"
AT_ONCE = 1000
"""Rows in one statement."""
IN_PIECES = {"yield_per": AT_ONCE}
"""Of a query whose answer need not fit into memory."""

Version = tuple[str, str, int]
"""Project, name and number of a model's version."""
Record = tuple[str, dict[str, Any]]
"""A table's name, and one of its rows."""


@dataclass(frozen=True)
class Snapshot:
    """The database at one moment."""

    at: datetime
    revision: str
    jobs: dict[str, Job]
    versions: dict[Version, str]
    """With the prefix of the checkpoint that each was made of."""


def snapshot(engine: Engine, path: Path, *, at: datetime) -> Snapshot:
    """Write all rows of one moment to `path`, while others go on writing. Raises SQLAlchemyError."""
    with _one_moment(engine) as connection, gzip.open(path, "wt") as file:
        for table in Base.metadata.sorted_tables:
            if table.name in LEFT_OUT:
                continue
            for row in connection.execute(select(table), execution_options=IN_PIECES):
                file.write(_line(table.name, dict(row._mapping)))
        jobs = connection.execute(select(*JobRow.__table__.c), execution_options=IN_PIECES)
        versions = connection.execute(select(*ModelVersionRow.__table__.c))
        return Snapshot(
            at=at,
            revision=migrate.head(),
            jobs={row.id: rows.job_of(row) for row in jobs},
            versions={(row.project, row.name, row.version): row.origin for row in versions},
        )


def gone(engine: Engine, since: Snapshot) -> tuple[set[str], set[Version]]:
    """Jobs and versions of models that were deleted since."""
    there = ModelVersionRow
    with engine.connect() as connection:
        jobs = set(connection.execute(select(JobRow.id)).scalars())
        versions = connection.execute(select(there.project, there.name, there.version)).all()
    return set(since.jobs) - jobs, set(since.versions) - {tuple(found) for found in versions}


def attempts(engine: Engine) -> dict[str, int]:
    """By job, the number of its newest attempt now."""
    with engine.connect() as connection:
        return {
            row.id: row.attempt for row in connection.execute(select(JobRow.id, JobRow.attempt))
        }


def jobs(engine: Engine, ids: Iterable[str]) -> list[Job]:
    with engine.connect() as connection:
        found = select(*JobRow.__table__.c).where(JobRow.id.in_(list(ids)))
        return [rows.job_of(row) for row in connection.execute(found)]


def drop(path: Path, jobs: set[str], versions: set[Version], into: Path) -> None:
    """The rows of `path` as they would be had these been deleted before."""
    with gzip.open(into, "wt") as file:
        for table, row in read(path):
            kept = _without(table, row, jobs, versions)
            if kept is not None:
                file.write(_line(table, kept))


def read(path: Path) -> Iterator[Record]:
    with gzip.open(path, "rt") as file:
        for line in file:
            found = json.loads(line)
            yield found["table"], found["row"]


def is_empty(engine: Engine) -> bool:
    """Whether it holds nothing that anybody would miss."""
    there = MetaData()
    there.reflect(engine)
    with engine.connect() as connection:
        return not any(
            connection.execute(select(1).select_from(table).limit(1)).first()
            for table in there.tables.values()
            if table.name not in LEFT_OUT | {MIGRATED}
        )


def clear(engine: Engine) -> None:
    """Remove every table of ours, whatever version made them."""
    there = MetaData()
    there.reflect(engine, only=lambda name, _: name in {*Base.metadata.tables, MIGRATED})
    with engine.begin() as connection:
        _without_limits(connection)
        there.drop_all(connection)


def load(engine: Engine, path: Path, revision: str) -> None:
    """Fill an empty database with what `snapshot` wrote, all or nothing, and bring it up to date."""
    migrate.upgrade(engine, to=revision)
    there = MetaData()  # as they were then, which may be other than the program's own
    there.reflect(engine)
    with engine.begin() as connection:
        _without_limits(connection)
        for name, records in groupby(read(path), key=lambda record: record[0]):
            _fill(connection, there.tables[name], (row for _, row in records))
        if connection.dialect.name == "postgresql":
            for table in there.tables.values():
                _count_on(connection, table)
    migrate.upgrade(engine)


@contextmanager
def _one_moment(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees nothing of what is written meanwhile."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # the driver begins none for reading
        else:
            connection = connection.execution_options(  # noqa: PLW2901 - the same, with options
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            _without_limits(connection)
        yield connection
        connection.rollback()


def _without_limits(connection: Connection) -> None:
    """A large table takes its time."""
    if connection.dialect.name == "postgresql":
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


def _line(table: str, row: dict[str, Any]) -> str:
    def shown(value: Any) -> Any:
        return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value

    return json.dumps({"table": table, "row": {k: shown(v) for k, v in row.items()}}) + "\n"


def _without(
    table: str, row: dict[str, Any], jobs: set[str], versions: set[Version]
) -> dict[str, Any] | None:
    """The row, or None, when these are deleted: as the tables' foreign keys say."""
    known = Base.metadata.tables[table]
    if table == JobRow.__tablename__ and row["id"] in jobs:
        return None
    if table == ModelVersionRow.__tablename__:
        return None if (row["project"], row["name"], row["version"]) in versions else row
    for key in known.foreign_keys:
        if key.column.table.name == JobRow.__tablename__ and row[key.parent.name] in jobs:
            if key.ondelete == "CASCADE":
                return None
            row = row | {key.parent.name: None}
    return row


def _fill(connection: Connection, table: Table, found: Iterator[dict[str, Any]]) -> None:
    times = [column.name for column in table.columns if isinstance(column.type, DateTime)]
    for column in table.columns:
        if isinstance(column.type, JSON):
            column.type.none_as_null = True  # a reflected one would write JSON's null
    while batch := list(islice(found, AT_ONCE)):
        for row in batch:
            for name in times:
                row[name] = datetime.fromisoformat(row[name]) if row[name] else None
        connection.execute(insert(table), batch)


def _count_on(connection: Connection, table: Table) -> None:
    """The next number of a column that counts by itself comes after those that are there."""
    keys = list(table.primary_key.columns)
    if len(keys) > 1 or not isinstance(keys[0].type, Integer):
        return
    name = keys[0].name
    highest = f"(SELECT max({name}) FROM {table.name})"  # noqa: S608 - names of our own tables
    sequence = f"pg_get_serial_sequence('{table.name}', '{name}')"
    connection.execute(sql(f"SELECT setval({sequence}, {highest}) WHERE {highest} IS NOT NULL"))
