"""Real databases for tests: SQLite always, PostgreSQL where a server is given or installed."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import Base

START_TIMEOUT_S = 30


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL database: RESIDUAL_TEST_DATABASE_URL, or one of a server started for the tests."""
    if given := os.environ.get("RESIDUAL_TEST_DATABASE_URL"):
        yield given
        return
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql, or set RESIDUAL_TEST_DATABASE_URL")
    owner = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="residual-pg-"))
    shutil.chown(folder, owner)
    try:
        yield from _served(programs, folder, owner)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _programs() -> Path | None:
    """The folder of the newest installed PostgreSQL."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return installed[-1].parent if installed else None


def _unprivileged() -> str:
    """Who runs the server: it refuses to be root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _served(programs: Path, folder: Path, owner: str) -> Iterator[str]:
    """Run a server on a socket in `folder`; without fsync, as nobody needs its data."""
    user = owner if os.geteuid() == 0 else None
    make: list[str | Path] = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        owner,
        "-A",
        "trust",
        "-N",
    ]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, user=user)
    options: list[str | Path] = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", folder]
    command: list[str | Path] = [programs / "postgres", "-D", folder / "data", *options]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, user=user)
    try:
        url = f"postgresql+psycopg://{owner}@/postgres?host={folder}"
        _wait(url, server, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # its fast shutdown: it waits for no client
        server.wait(START_TIMEOUT_S)


def _wait(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    probe, deadline = connect(url), monotonic() + START_TIMEOUT_S
    while True:
        try:
            with probe.connect():
                break
        except OperationalError:
            if server.poll() is not None or monotonic() > deadline:
                pytest.fail(f"PostgreSQL does not start: {log.read_text()}")
    probe.dispose()
