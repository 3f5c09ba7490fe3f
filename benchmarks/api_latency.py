"""How long POST /jobs and GET /jobs/{id} take with many jobs in the database: `make bench`.

A real `residual up` on a fresh data directory that already knows 10,000 ended jobs. The jobs that are
posted want more CPUs than the cluster has, so they stay queued and the machine stays idle.
"""

import argparse
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import insert

from benchmarks.machine import header
from service.cli.client import known_key
from service.cli.demo_service import Running, running
from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import JobRow
from service.ids import new_job_id
from service.lifecycle import State
from trainer.contract.datasets import DATASETS
from trainer.contract.resolve import resolve
from trainer.contract.spec import TrainSpec

BODY = {"arch": "resnet20", "dataset": "fashion-mnist-mini", "workers": 64}


def fill(database: Path, count: int) -> list[str]:
    """Insert `count` ended jobs, a minute apart, and return their ids."""
    engine = connect(f"sqlite:///{database}")
    upgrade(engine)
    dataset = DATASETS["fashion-mnist-mini"]
    spec = resolve(TrainSpec.model_validate(BODY), dataset, gpus=0).model_dump(mode="json")
    start = datetime.now(UTC) - timedelta(minutes=count)
    times = [start + timedelta(minutes=i) for i in range(count)]
    rows = [
        {
            "id": new_job_id(at, secrets.randbits),
            "project": "default",
            "kind": "train",
            "state": State.SUCCEEDED,
            "priority": 0,
            "attempt": 1,
            "retries": 0,
            "spec": spec,
            "created_at": at,
            "changed_at": at,
            "started_at": at,
            "ended_at": at,
        }
        for at in times
    ]
    with engine.begin() as connection:
        connection.execute(insert(JobRow), rows)
    engine.dispose()
    return [str(row["id"]) for row in rows]


def client_of(service: Running) -> httpx.Client:
    key = known_key(service.data_dir)
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {key}"})


def timed(call: Callable[[], httpx.Response], runs: int, expected: int) -> list[float]:
    """Milliseconds of each of `runs` calls, after ten that are not counted."""
    durations = []
    for run in range(runs + 10):
        start = time.perf_counter()
        response = call()
        elapsed = (time.perf_counter() - start) * 1000
        if response.status_code != expected:
            sys.exit(f"{response.status_code}: {response.text}")
        if run >= 10:
            durations.append(elapsed)
    return sorted(durations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as folder:
        ids = fill(Path(folder) / "residual.db", options.jobs)
        middle = ids[len(ids) // 2]
        with running(Path(folder), keep=False) as service, client_of(service) as client:
            rows = {
                "POST /jobs": timed(lambda: client.post("/jobs", json=BODY), options.runs, 201),
                "GET /jobs/{id}": timed(lambda: client.get(f"/jobs/{middle}"), options.runs, 200),
                "GET /jobs": timed(lambda: client.get("/jobs"), options.runs, 200),
            }
    print(f"{header()}; n = {options.runs}, {options.jobs} jobs in SQLite\n")
    print("| call | p50 ms | p95 ms | max ms |\n|---|---|---|---|")
    for name, durations in rows.items():
        p95 = durations[int(len(durations) * 0.95)]
        print(
            f"| `{name}` | {statistics.median(durations):.1f} | {p95:.1f} | {durations[-1]:.1f} |"
        )


if __name__ == "__main__":
    main()
