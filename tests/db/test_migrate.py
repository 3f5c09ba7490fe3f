import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import OperationalError

from service.db.engine import connect
from service.db.migrate import NewerDatabase, upgrade
from service.db.tables import Base


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    made = connect(f"sqlite:///{tmp_path}/empty.db")
    yield made
    made.dispose()


def test_the_migrations_make_exactly_the_tables_that_the_program_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_that_is_up_to_date_stays_as_it_is(engine: Engine) -> None:
    upgrade(engine)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_a_database_of_a_later_version_is_refused_and_left_alone(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabase, match=r"9999.*start the version .*residual restore BACKUP"):
        upgrade(sqlite)
    with sqlite.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version"))
        assert found.scalar() == "9999"


def test_a_migration_that_fails_leaves_nothing_behind(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE leases (name TEXT)"))  # the last of them fails
    with pytest.raises(OperationalError):
        upgrade(empty)
    assert inspect(empty).get_table_names() == ["leases"]


def test_several_programs_may_start_on_a_new_database_at_once(empty: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upgrade(empty), range(4)))
    assert "jobs" in inspect(empty).get_table_names()


def test_migrating_leaves_the_log_as_it_was(empty: Engine) -> None:
    before = (logging.root.handlers[:], logging.root.level)
    upgrade(empty)
    assert (logging.root.handlers, logging.root.level) == before


def test_jobs_of_an_earlier_version_keep_their_order_in_the_line(empty: Engine) -> None:
    upgrade(empty, to="0002")
    job = {
        "project": "default",
        "kind": "train",
        "state": "queued",
        "attempt": 0,
        "retries": 0,
        "spec": "{}",
        "changed_at": "2026-01-01 00:00:00.000000",
    }
    made = [("job-1", 0, "00:00"), ("job-2", 0, "00:30"), ("job-3", 1, "00:40")]
    with empty.begin() as connection:
        for id_, priority, time in made:
            row = job | {"id": id_, "priority": priority, "created_at": f"2026-01-01 {time}:00"}
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO jobs ({names}) VALUES ({values})"), row)
    upgrade(empty)
    with empty.connect() as connection:
        turns = connection.execute(text("SELECT id, turn, revision FROM jobs ORDER BY turn")).all()
    assert turns == [
        ("job-3", 1_767_225_600 + 2400 - 3600, 0),
        ("job-1", 1_767_225_600, 0),
        ("job-2", 1_767_225_600 + 1800, 0),
    ]
