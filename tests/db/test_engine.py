from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from service.db.engine import connect


def test_what_sqlite_has_answered_survives_a_power_cut(sqlite: Engine) -> None:
    with sqlite.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL


def test_a_row_of_a_job_that_does_not_exist_is_refused(engine: Engine) -> None:
    label = text("INSERT INTO job_labels (job_id, key, value) VALUES ('job-none', 'a', 'b')")
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(label)


def test_another_kind_of_database_is_refused_with_those_that_work() -> None:
    with pytest.raises(ValueError, match="sqlite:///"):
        connect("mysql://root@localhost/residual")


def test_a_plain_postgresql_url_is_understood() -> None:
    assert connect("postgresql://me@localhost/residual").dialect.driver == "psycopg"


def test_connecting_asks_nothing_of_the_database(tmp_path: Path) -> None:
    connect(f"sqlite:///{tmp_path}/residual.db")
    assert not (tmp_path / "residual.db").exists()
