"""How long POST /jobs, GET /jobs/{id} and a page of GET /jobs take with many jobs in line: `make bench`.

A real `residual up` that knows 10,000 queued jobs, on SQLite and, where it is installed, on PostgreSQL.
They want more CPUs than the cluster has: nothing starts, and the reconciler looks at the line all the time.
"""

import argparse
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import insert

from benchmarks.machine import header
from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import JobRow
from service.ids import new_job_id
from service.jobs import fit, rows
from service.lifecycle import Job, State
from tests.db.server import PostgresServer, installed, unprivileged
from tests.local.running import end, start
from trainer.contract.datasets import DATASETS
from trainer.contract.resolve import resolve
from trainer.contract.spec import TrainSpec

BODY = {"arch": "resnet20", "dataset": "fashion-mnist-mini", "workers": 64}
WARM_UP = 10
"""Calls that are not counted."""


def fill(database_url: str, count: int) -> str:
    """Insert `count` queued jobs, a second apart; the id of the middle one."""
    engine = connect(database_url)
    upgrade(engine)
    dataset = DATASETS["fashion-mnist-mini"]
    spec = resolve(TrainSpec.model_validate(BODY), dataset, gpus=0)
    first = datetime.now(UTC) - timedelta(seconds=count)
    times = [first + timedelta(seconds=n) for n in range(count)]
    jobs = [
        Job(
            id=new_job_id(at, secrets.randbits),
            project="default",
            spec=spec,
            state=State.QUEUED,
            reason=fit.IN_LINE,
            attempt=0,
            retries=0,
            created_at=at,
            changed_at=at,
        )
        for at in times
    ]
    with engine.begin() as connection:
        connection.execute(insert(JobRow), [rows.columns(job) for job in jobs])
    engine.dispose()
    return jobs[count // 2].id


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """Name → URL of an empty database, of each kind that there is."""
    urls = {"SQLite": f"sqlite:///{folder}/jobs.db"}
    programs = installed()
    if programs is None:
        yield urls
        return
    place = Path(tempfile.mkdtemp(prefix="residual-pg-"))
    server = PostgresServer(programs, place, unprivileged())
    try:
        server.make()
        server.start()
        yield urls | {"PostgreSQL": server.url}
    finally:
        server.kill()
        shutil.rmtree(place, ignore_errors=True)


def timed(call: Callable[[], httpx.Response], runs: int, expected: int) -> list[float]:
    """Milliseconds of each of `runs` calls, the shortest first."""
    durations = []
    for run in range(runs + WARM_UP):
        began = time.perf_counter()
        response = call()
        elapsed = (time.perf_counter() - began) * 1000
        if response.status_code != expected:
            sys.exit(f"{response.status_code}: {response.text}")
        if run >= WARM_UP:
            durations.append(elapsed)
    return sorted(durations)


def measure(data_dir: Path, database_url: str, *, jobs: int, runs: int) -> dict[str, list[float]]:
    """Milliseconds of each call."""
    middle = fill(database_url, jobs)
    service = start(data_dir, RESIDUAL_DATABASE_URL=database_url)
    try:
        with service.http() as client:
            return {
                "POST /jobs": timed(lambda: client.post("/jobs", json=BODY), runs, 201),
                "GET /jobs/{id}": timed(lambda: client.get(f"/jobs/{middle}"), runs, 200),
                "GET /jobs": timed(lambda: client.get("/jobs"), runs, 200),
            }
    finally:
        end(service)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=300)
    options = parser.parse_args()
    print(f"{header()}; n = {options.runs}, {options.jobs} queued jobs\n")
    print("| database | call | p50 ms | p95 ms | max ms |\n|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory(prefix="residual-bench-") as folder,
        databases(Path(folder)) as urls,
    ):
        for database, url in urls.items():
            data_dir = Path(folder) / database
            called = measure(data_dir, url, jobs=options.jobs, runs=options.runs)
            for call, durations in called.items():
                p50, p95 = statistics.median(durations), durations[int(len(durations) * 0.95)]
                print(f"| {database} | `{call}` | {p50:.1f} | {p95:.1f} | {durations[-1]:.1f} |")


if __name__ == "__main__":
    main()
