"""Real databases for tests: SQLite always, PostgreSQL where a server is given or installed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import Base
from tests.db.server import PostgresServer, installed, unprivileged


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database: RESIDUAL_TEST_DATABASE_URL, or one of a server started for the tests."""
    if given := os.environ.get("RESIDUAL_TEST_DATABASE_URL"):
        yield given
        return
    programs = installed()
    if programs is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql, or set RESIDUAL_TEST_DATABASE_URL")
    server = PostgresServer(programs, Path(tempfile.mkdtemp(prefix="residual-pg-")), unprivileged())
    try:
        server.make()
        server.start()
        yield server.url
        server.stop()
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> Iterator[Engine]:
    engine = connect(postgres_url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database with the service's tables; the test runs once on each kind."""
    if request.param == "sqlite":
        made = connect(f"sqlite:///{tmp_path}/residual.db")
        upgrade(made)
        yield made
        made.dispose()
        return
    shared: Engine = request.getfixturevalue("postgres")
    yield shared
    names = ", ".join(Base.metadata.tables)
    with shared.begin() as connection:
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite database with the service's tables."""
    made = connect(f"sqlite:///{tmp_path}/residual.db")
    upgrade(made)
    yield made
    made.dispose()
