"""A service for a benchmark, and jobs run on it to their end. Used by benchmarks that train through REST."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from service.cli.client import Client, connect, known_key
from service.cli.demo_service import running

LOOK_EVERY_S = 0.2


@contextmanager
def service() -> Iterator[Client]:
    """A fresh one, ended with the `with`."""
    with (
        tempfile.TemporaryDirectory(prefix="residual-bench-") as folder,
        running(Path(folder), keep=False) as ready,
        connect(ready.url, known_key(ready.data_dir)) as client,
    ):
        yield client


def done(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    """The job that `body` asks for, once it has ended. Raises SystemExit unless it succeeded."""
    job = client.post("/jobs", body)
    while job["ended_at"] is None:
        time.sleep(LOOK_EVERY_S)
        job = client.get(f"/jobs/{job['id']}")
    if job["state"] != "succeeded":
        raise SystemExit(f"{job['id']} {job['state']}: {job['reason']}")
    return job


def trials(client: Client, sweep: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/jobs/{sweep['id']}/trials", limit=1000)["items"]
    return found


def seconds(earlier: str, later: str) -> float:
    """Between two times of the service's answers."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
