"""A PostgreSQL that dies, starts late, or is not there: the service waits, says 503, and goes on."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import inspect, text
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from service import problems
from service.db.engine import connect
from service.db.migrate import NoDatabase, upgrade_when_it_answers
from tests.api.conftest import LEAST, serving
from tests.db.server import PostgresServer, installed, unprivileged


@pytest.fixture(scope="module")
def files() -> Iterator[PostgresServer]:
    """A PostgreSQL that was never started."""
    programs = installed()
    if programs is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql")
    folder = Path(tempfile.mkdtemp(prefix="residual-pg-"))
    made = PostgresServer(programs, folder, unprivileged())
    made.make()
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def server(files: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL that does not run; the tests share what is in it."""
    yield files
    files.kill()


def test_a_program_waits_for_a_database_that_starts_after_it(server: PostgresServer) -> None:
    engine = connect(server.url)
    waiting = Thread(target=upgrade_when_it_answers, args=[engine])
    waiting.start()
    assert waiting.is_alive()
    server.start()
    waiting.join()
    assert "jobs" in inspect(engine).get_table_names()
    engine.dispose()


def test_a_database_that_never_answers_is_named_with_how_to_mend_it() -> None:
    engine = connect("postgresql://me:secret@/jobs?host=/no/such/folder")
    with pytest.raises(NoDatabase, match="RESIDUAL_DATABASE_URL") as raised:
        upgrade_when_it_answers(engine, within_s=0)
    assert "secret" not in str(raised.value)


def test_a_killed_database_is_a_503_and_needs_no_restart_of_the_service(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.start()
    with serving(tmp_path, server.url) as service:
        made = service.submit().json()["id"]
        server.kill()
        calls = [("POST", "/jobs"), ("GET", "/jobs"), ("GET", f"/jobs/{made}")]
        calls += [("POST", f"/jobs/{made}/cancel"), ("GET", f"/jobs/{made}/events")]
        for method, path in calls:
            body = LEAST if path == "/jobs" and method == "POST" else None
            answer = service.client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), path
            assert answer.headers["Retry-After"]
        assert service.client.get("/healthz").status_code == 200
        assert service.client.get("/readyz").status_code == 503
        server.start()
        assert service.client.get(f"/jobs/{made}").json()["id"] == made


def test_a_key_that_cannot_be_looked_up_is_a_503_too(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.start()
    with serving(tmp_path, server.url) as service:
        server.kill()
        unknown = {"Authorization": "Bearer rsd_not-the-administrators"}
        answer = TestClient(service.app, raise_server_exceptions=False).get(
            "/jobs", headers=unknown
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"]


def test_too_many_requests_for_the_connections_there_are_is_a_503() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def _asks() -> None:
        raise NoConnectionFree("QueuePool limit of size 20 overflow 10 reached")

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_a_program_that_is_frozen_in_a_transaction_does_not_hold_up_the_others_for_long(
    server: PostgresServer,
) -> None:
    server.start()
    engine = connect(server.url)
    limits = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with engine.connect() as connection:
        found = [connection.execute(text(f"SHOW {name}")).scalar() for name in limits]
    assert found == ["10s", "30s", "5s"]
    engine.dispose()
