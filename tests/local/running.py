"""A real `residual up` for tests, as a child process: ended in order, and proven to leave nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from service.auth import KEY_FILE
from service.local.processes import end_marked, mark_of, marked
from tests.waiting import until

RESIDUAL = str(Path(sys.executable).with_name("residual"))


def environment(**more: str) -> dict[str, str]:
    """Of a child: without the settings of whoever runs the tests, and with compiled bytecode."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("RESIDUAL_")}
    mine.pop("PYTHONDONTWRITEBYTECODE", None)
    return mine | more


@dataclass
class Running:
    """A service that said it is ready."""

    data_dir: Path
    url: str
    process: "subprocess.Popen[str]"
    seconds_to_ready: float

    @property
    def key(self) -> str:
        return (self.data_dir / KEY_FILE).read_text().strip()

    def http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def job(self, job_id: str) -> dict[str, Any]:
        with self.http() as http:
            found: dict[str, Any] = http.get(f"/jobs/{job_id}").raise_for_status().json()
        return found

    def submit(self, **body: object) -> str:
        with self.http() as http:
            answer = http.post("/jobs", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def step(self, job_id: str) -> int:
        progress = self.job(job_id)["progress"]
        return int(progress["step"]) if progress else 0

    def until_ended(self, job_id: str, *, within_s: float = 240) -> dict[str, Any]:
        until(lambda: self.job(job_id)["ended_at"], within_s=within_s)
        return self.job(job_id)

    def left(self) -> list[psutil.Process]:
        """Living processes that it started."""
        return marked(mark_of(self.data_dir))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Seconds that it took to end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - began

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of `residual` with this service as the default one."""
        env = environment(RESIDUAL_DATA_DIR=str(self.data_dir))
        return subprocess.run(
            [RESIDUAL, *words], env=env, capture_output=True, text=True, timeout=120, check=False
        )


def spawn(data_dir: Path, *, port: int = 0, **settings: str) -> "subprocess.Popen[str]":
    """`residual up` in `data_dir`, not ready yet; port 0 is a free one. Its log is `log_of` it."""
    with log_of(data_dir).open("a") as errors:
        return subprocess.Popen(
            [RESIDUAL, "up", f"--data-dir={data_dir}", f"--port={port}"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(**settings),
            start_new_session=True,
        )


def log_of(data_dir: Path) -> Path:
    """Beside it, so that it is there before the directory."""
    return data_dir.with_name(f"{data_dir.name}.log")


def start(data_dir: Path, **settings: str) -> Running:
    """`residual up` in `data_dir`, on a free port, once it is ready."""
    began = time.monotonic()
    process = spawn(data_dir, port=0, **settings)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        process.kill()
        end_marked(mark_of(data_dir))
        raise AssertionError(f"it did not start:\n{log_of(data_dir).read_text()[-4000:]}")
    return Running(data_dir, line.split()[1], process, time.monotonic() - began)


def end(service: Running) -> None:
    """Stop it if it runs, and fail if it leaves a process behind."""
    if service.process.poll() is None:
        service.stop()
    left = [f"{each.pid} {each.name()}" for each in service.left()]
    end_marked(mark_of(service.data_dir))
    assert not left
    assert service.process.returncode == 0


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service that all tests share; it is stopped after the last of them."""
    service = start(tmp_path_factory.mktemp("service") / "data")
    try:
        yield service
    finally:
        end(service)
