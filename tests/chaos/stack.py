"""The whole service on this machine, every part of it a real process that can be killed: `residual up` with
its own Ray, a database and an object store. All experiments here run on it."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import httpx
import psutil

from service.local import ray_record
from service.local.instance import Places
from service.local.processes import end_marked, mark_of, marked
from tests.chaos.kinds import Kind, is_of
from tests.contract.seaweed import BUCKET, CREDENTIALS, SeaweedServer
from tests.db.server import PostgresServer, installed, unprivileged
from tests.local.running import log_of, spawn
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore

Database = Literal["sqlite", "postgresql"]
Store = Literal["local", "seaweed"]

READY_WITHIN_S = 180.0
"""The longest that a start may take on two cores that have other things to do, with Ray's."""
ASK_AGAIN_S = 0.1
LOOK_EVERY_S = 0.2
"""Training has the same two cores: it is not asked for more often than a client would."""
STABLE_PORTS = range(18_000, 28_000)
"""Below the ports that the system gives to outgoing connections: the API's is still free when it was killed
and is started again."""


@dataclass
class Stack:
    """A running service; `stack` makes it and ends it."""

    folder: Path
    settings: dict[str, str]
    """Its environment variables; what is changed here counts from the next start on."""
    port: int
    api: httpx.Client
    """As the administrator. What it asks fails while the API is away; `ask` waits for it."""
    database: PostgresServer | None
    """None: SQLite, in the service's own process."""
    store: SeaweedServer | None
    """None: a local directory."""
    service: "subprocess.Popen[str] | None" = field(default=None, repr=False)
    wrong: list[str] = field(default_factory=list)
    """Failures that `ask` was answered and that are not 503: whatever is away, the service knows it."""

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        database: Database = "sqlite",
        store: Store = "local",
        env: dict[str, str] | None = None,
    ) -> "Stack":
        """Everything started, and the service ready. `folder`: an empty or a new directory."""
        folder.mkdir(parents=True, exist_ok=True)
        key, port = secrets.token_hex(16), stable_port()
        made = cls(
            folder=folder,
            settings={"RESIDUAL_API_KEY": key} | (env or {}),
            port=port,
            api=httpx.Client(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {key}"},
                timeout=30,
                trust_env=False,
            ),
            database=postgres() if database == "postgresql" else None,
            store=seaweed(folder / "seaweed") if store == "seaweed" else None,
        )
        try:
            made._start()
        except BaseException:
            made.end()
            raise
        return made

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @cached_property
    def objects(self) -> ObjectStore:
        """Its object store, of which the checks read what the service does not show."""
        url = self.settings.get("RESIDUAL_STORAGE_URL", (self.data_dir / "objects").as_uri())
        names = {name: value for name, value in self.settings.items() if name.startswith("AWS_")}
        with patch.dict(os.environ, names):  # boto3 reads it once, when a client is made
            return open_store(url)

    def kill_api(self) -> None:
        """By SIGKILL. Its Ray, and what trains on it, go on."""
        if self.service is not None:
            self.service.kill()
            self.service.wait()

    def restart_api(self, *, within_s: float = READY_WITHIN_S) -> float:
        """Start it unless it runs, again and again as a supervisor would, until all parts answer. The
        seconds until it answered at all."""
        began, answered_s = time.monotonic(), None
        while not self._answers("/readyz"):
            assert time.monotonic() < began + within_s, f"not ready:\n{self.log()[-4000:]}"
            if self.service is None or self.service.poll() is not None:
                self.service = spawn(self.data_dir, port=self.port, **self.settings)
            if answered_s is None and self._answers("/healthz"):
                answered_s = time.monotonic() - began
            time.sleep(ASK_AGAIN_S)
        return time.monotonic() - began if answered_s is None else answered_s

    def ask(
        self, method: str, path: str, *, within_s: float = READY_WITHIN_S, **more: Any
    ) -> httpx.Response:
        """An answer that is not a failure of the service's: asked again while it is away. So a POST
        needs an Idempotency-Key, or to be harmless when it is done twice."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                answer = self.api.request(method, path, **more)
                if answer.status_code < 500:
                    return answer
                said = f"{answer.status_code} {answer.text}"
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    self.wrong.append(f"{method} {path} was answered {said[:300]}")
            except httpx.TransportError as error:
                said = repr(error)
            assert time.monotonic() < deadline, f"{method} {path}: {said}\n{self.log()[-2000:]}"
            time.sleep(ASK_AGAIN_S)

    def get(self, path: str, **more: Any) -> dict[str, Any]:
        """The JSON that `path` answers, however long the service is away."""
        found: dict[str, Any] = self.ask("GET", path, **more).raise_for_status().json()
        return found

    def submit(self, body: dict[str, Any], *, key: str | None = None) -> str:
        """The id of a job for `body`, one for `key` however often it has to be sent."""
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        answer = self.ask("POST", "/jobs", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"/jobs/{job_id}")

    def until_state(self, job_id: str, *states: str, within_s: float = 120) -> dict[str, Any]:
        """The job once it is in one of `states`."""
        deadline = time.monotonic() + within_s
        while (job := self.job(job_id))["state"] not in states:
            why = (job["reason"] or {}).get("message")
            assert time.monotonic() < deadline, f"{job_id} is {job['state']}: {why}"
            time.sleep(LOOK_EVERY_S)
        return job

    def processes(self, kind: Kind) -> list[psutil.Process]:
        """The living processes of a kind, oldest first."""
        if kind == "api":
            own = self.service.pid if self.service and self.service.poll() is None else None
            return [psutil.Process(own)] if own else []
        if kind in {"database", "store"}:
            server = self.database if kind == "database" else self.store
            process = server.process if server else None
            return [psutil.Process(process.pid)] if process and process.poll() is None else []
        found = [each for each in marked(mark_of(self.data_dir)) if is_of(kind, each)]
        return sorted(found, key=lambda each: each.pid)

    def log(self) -> str:
        """What the service wrote to standard error."""
        return log_of(self.data_dir).read_text() if log_of(self.data_dir).exists() else ""

    def end(self) -> None:
        """Nothing of it is left running when this returns."""
        self.api.close()
        self.kill_api()
        end_marked(mark_of(self.data_dir))
        ray_record.forget(Places(self.data_dir))
        if self.store is not None:
            self.store.kill()
        if self.database is not None:
            self.database.kill()
            shutil.rmtree(self.database.folder, ignore_errors=True)

    def _start(self) -> None:
        if self.database is not None:
            self.database.make()
            self.database.start()
            self.settings["RESIDUAL_DATABASE_URL"] = self.database.url
        if self.store is not None:
            self.store.start()
            self.settings |= {
                "RESIDUAL_STORAGE_URL": f"s3://{BUCKET}/chaos",
                "AWS_ENDPOINT_URL": self.store.endpoint,
                "AWS_DEFAULT_REGION": "us-east-1",
            } | CREDENTIALS
        self.restart_api()

    def _answers(self, path: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.api.get(path, timeout=5).is_success
        return False


@contextmanager
def stack(
    folder: Path,
    *,
    database: Database = "sqlite",
    store: Store = "local",
    env: dict[str, str] | None = None,
) -> Iterator[Stack]:
    """A service for a `with`."""
    running = Stack.start(folder, database=database, store=store, env=env)
    try:
        yield running
    finally:
        running.end()


def stable_port() -> int:
    """A port that nothing uses, and that nothing takes by chance while its owner is restarted."""
    while True:
        port = secrets.choice(STABLE_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def postgres() -> PostgresServer:
    """Not started; in a folder of a short path, which its owner may enter."""
    programs = installed()
    assert programs, "no PostgreSQL: run scripts/install-debian-packages"
    return PostgresServer(programs, Path(tempfile.mkdtemp(prefix="residual-pg-")), unprivileged())


def seaweed(folder: Path) -> SeaweedServer:
    """Not started."""
    folder.mkdir()
    return SeaweedServer(folder)
