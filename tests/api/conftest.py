"""The real application over real SQLite and a real directory; only Ray is a fake."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.db.tables import Base
from service.lifecycle import Job
from service.main import create_app
from service.parts import Outside, Parts, put_together
from service.settings import Settings
from tests.api.fakes import FakeCluster, FakeServe
from trainer.contract.objects.store import ObjectStore

KEY = "the-key-of-these-tests"
LEAST = {"arch": "resnet8", "dataset": "digits"}

_document: list[dict[str, Any]] = []
"""The API's, once an application had to build it: the same for all, and slower than most tests."""


@dataclass
class Service:
    """The application, what is behind it, and a client that has the key."""

    app: FastAPI
    parts: Parts
    cluster: FakeCluster
    serve: FakeServe
    client: TestClient

    @property
    def objects(self) -> ObjectStore:
        return self.parts.jobs.objects

    def submit(self, **fields: Any) -> httpx.Response:
        answer: httpx.Response = self.client.post("/jobs", json=LEAST | fields)
        return answer

    def job(self, job_id: str) -> Job:
        return self.parts.jobs.get("default", job_id)

    def started(self, **fields: Any) -> Job:
        """A job whose first attempt the cluster has taken."""
        job_id = self.submit(**fields).json()["id"]
        self.parts.reconciler.tick()
        return self.job(job_id)


@contextmanager
def serving(data_dir: Path, database_url: str | None = None, **more: Any) -> Iterator[Service]:
    """`more` settings than those of a service on this machine."""
    settings = Settings(
        data_dir=data_dir, api_key=SecretStr(KEY), database_url=database_url, **more
    )
    cluster, serve = FakeCluster(), FakeServe()
    outside = Outside(cluster, serve, "http://127.0.0.1:9", lambda: not serve.away)
    parts = put_together(settings, outside)
    parts.reconciler.tick()  # as after the first half second: the cluster has been seen
    app = create_app(parts)
    app.openapi_schema = next(iter(_document), None)
    client = TestClient(app, headers={"Authorization": f"Bearer {KEY}"})
    yield Service(app, parts, cluster, serve, client)
    if app.openapi_schema is not None:
        _document[:] = [app.openapi_schema]
    client.close()
    parts.engine.dispose()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own."""
    with serving(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that the tests of a module leave as it was, or do not mind the others' jobs in."""
    with serving(tmp_path_factory.mktemp("data")) as made:
        yield made


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def on_either(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """As `shared`; the test runs once on each kind of database."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with serving(tmp_path_factory.mktemp("data"), url) as made:
        yield made
        with made.parts.engine.begin() as connection:  # the server is other tests' too
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    """The same service behind a real uvicorn, where it streams and clients can leave. Its
    reconciler moves when the test ticks it."""
    with listening(service.app) as address:
        yield address


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The application's address, without its lifespan."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
