"""Databases to back up and to bring back to, and a service that has something to lose."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service.backup import database
from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import Base
from tests.reconcile.world import World
from trainer.contract.objects.local import LocalStore


@pytest.fixture
def world(sqlite: Engine, tmp_path: Path) -> World:
    return World(sqlite, LocalStore(tmp_path / "store"))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Engine]:
    """A database that is not there yet."""
    made = connect(f"sqlite:///{tmp_path}/other.db")
    yield made
    made.dispose()


@pytest.fixture(params=["to postgresql", "from postgresql", "sqlite"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str | None, str | None]]:
    """Of a service's database and of one that has no tables; None: SQLite in its data directory."""
    if request.param == "sqlite":
        yield None, None
        return
    server: Engine = request.getfixturevalue("postgres")
    url = server.url.render_as_string(hide_password=False)
    if request.param == "to postgresql":
        database.clear(server)
    yield (None, url) if request.param == "to postgresql" else (url, None)
    upgrade(server)  # it is other tests' too
    with server.begin() as connection:
        names = ", ".join(Base.metadata.tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
