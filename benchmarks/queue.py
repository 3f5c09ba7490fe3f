"""What ten thousand queued jobs cost: submitting, listing, a look of the reconciler, and memory. Of 1 and of
20 projects, on SQLite and on PostgreSQL: `python -m benchmarks.queue`.

The real application and reconciler, each measured in a process of its own; the cluster is a fake one of 4
CPUs, in which a job ends every ten seconds. PostgreSQL runs without fsync, SQLite with it.
"""

import argparse
import gc
import logging
import multiprocessing
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import psutil
import structlog
from sqlalchemy import Engine, delete, insert

from benchmarks.machine import header
from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import JobRow, LeaseRow
from service.ids import new_job_id
from service.jobs import rows
from tests.api.conftest import LEAST, serving
from tests.db.server import PostgresServer, installed, unprivileged
from tests.jobs.making import NOW, job
from tests.reconcile.world import World
from trainer.contract.objects.local import LocalStore

TICKS_A_JOB = 20
"""A job ends every so many looks, of half a second each."""
WARM_UP = 40
"""Looks, and calls, that are not counted."""


@dataclass(frozen=True)
class Figures:
    """Of one database with one number of projects."""

    database: str
    projects: int
    submit_ms: list[float]
    page_ms: list[float]
    tick_ms: list[float]
    memory_mib: tuple[float, float]
    """Of the process that reconciles, before and after the looks."""


def fill(engine: Engine, *, jobs: int, projects: int) -> None:
    """Queued jobs, a second apart, of all projects in turn; the first of them belong to `default`."""
    names = ["default", *(f"project-{number}" for number in range(1, projects))]
    made = []
    for number in range(jobs):
        at = NOW - timedelta(seconds=jobs - number)
        one = replace(
            job(number, workers=1),
            id=new_job_id(at, secrets.randbits),
            project=names[number % projects],
            created_at=at,
            changed_at=at,
        )
        made.append(rows.columns(one))
    with engine.begin() as connection:
        connection.execute(insert(JobRow), made)


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """The URLs of empty ones, by their kind; PostgreSQL only where it is installed."""
    urls = {"SQLite": f"sqlite:///{folder}/residual.db"}
    programs = installed()
    if programs is None:
        yield urls
        return
    server = PostgresServer(programs, Path(tempfile.mkdtemp(prefix="residual-pg-")), unprivileged())
    try:
        server.make()
        server.start()
        yield urls | {"PostgreSQL": server.url}
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


def timed(call: Callable[[], object], runs: int) -> list[float]:
    """Milliseconds of each of `runs` calls, sorted."""
    durations = []
    for run in range(runs + WARM_UP):
        began = time.perf_counter()
        call()
        if run >= WARM_UP:
            durations.append((time.perf_counter() - began) * 1000)
    return sorted(durations)


def ask(folder: Path, url: str, runs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of submitting a job, and of a page of 50, through the whole application."""
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)

    def expect(answer: httpx.Response, status: int) -> None:
        if answer.status_code != status:
            sys.exit(answer.text)

    with serving(folder, url) as service:
        post = timed(lambda: expect(service.client.post("/jobs", json=LEAST), 201), runs)
        page = timed(lambda: expect(service.client.get("/jobs"), 200), runs)
    return post, page


def look(folder: Path, url: str, ticks: int) -> tuple[list[float], tuple[float, float]]:
    """Milliseconds of each look of the reconciler, and the memory before and after them, in MiB."""
    engine = connect(url)
    world = World(engine, LocalStore(folder / "objects"))
    for _ in range(WARM_UP):
        world.tick()
    before, durations = memory(), []
    for number in range(ticks):
        began = time.perf_counter()
        world.tick()
        durations.append((time.perf_counter() - began) * 1000)
        if number % TICKS_A_JOB == 0:
            world.train()
    after = memory()
    engine.dispose()
    return sorted(durations), (before, after)


def memory() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)


def apart(call: Callable[..., Any], *given: object) -> Any:
    """What `call` gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, given)


def measure(kind: str, url: str, projects: int, options: argparse.Namespace) -> Figures:
    """Figures of a database that is emptied first."""
    engine = connect(url)
    upgrade(engine)
    with engine.begin() as connection:
        for row in (JobRow, LeaseRow):  # the other rows go with their jobs
            connection.execute(delete(row))
    fill(engine, jobs=options.jobs, projects=projects)
    engine.dispose()
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as folder:
        tick_ms, memory_mib = apart(look, Path(folder), url, options.ticks)
        submit_ms, page_ms = apart(ask, Path(folder), url, options.runs)
    return Figures(kind, projects, submit_ms, page_ms, tick_ms, memory_mib)


def p95(durations: Sequence[float]) -> float:
    return durations[int(len(durations) * 0.95)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=1200, help="1200 are ten minutes' worth")
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    print(f"{header()}; {options.jobs} queued jobs, n = {options.runs}, {options.ticks} looks\n")
    print("| database | projects | submit p50 ms | page p50 ms | tick p50, p95 ms | memory MiB |")
    print("|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory(prefix="residual-bench-") as folder,
        databases(Path(folder)) as urls,
    ):
        for (kind, url), projects in product(urls.items(), (1, 20)):
            found = measure(kind, url, projects, options)
            print(
                f"| {kind} | {projects} | {statistics.median(found.submit_ms):.1f} | "
                f"{statistics.median(found.page_ms):.1f} | "
                f"{statistics.median(found.tick_ms):.1f}, {p95(found.tick_ms):.1f} | "
                f"{found.memory_mib[0]:.0f} → {found.memory_mib[1]:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
