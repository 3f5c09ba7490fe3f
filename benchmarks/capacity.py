"""What to plan for: an idle service's CPU and memory over a minute, and what one job takes while it runs and
leaves behind: `python -m benchmarks.capacity`.

A real `residual up`; then a ResNet-20 on two workers. The database's bytes are of 10,000 queued jobs.
"""

import argparse
import contextlib
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import func, select, text

from benchmarks.machine import header
from benchmarks.queue import fill
from service.db.engine import connect
from service.db.migrate import upgrade
from service.db.tables import Base
from service.local.processes import mark_of, marked
from tests.chaos.kinds import WORDS, command_line
from tests.local.running import Running, end, start
from trainer.contract import layout
from trainer.contract.objects.local import LocalStore

JOB = {"arch": "resnet20", "dataset": "fashion-mnist-mini", "epochs": 2, "workers": 2}
SETTLES_S = 20
LOOK_EVERY_S = 0.5
JOBS = 10_000


@dataclass(frozen=True)
class Idle:
    """Over a minute in which nobody asks for anything."""

    cpu: dict[str, float]
    """Per cent of one CPU, by group."""
    megabytes: dict[str, float]
    processes: dict[str, int]


def group(process: psutil.Process, api: int) -> str:
    """Whose work a process does."""
    if process.pid == api:
        return "API and reconciler"
    line = command_line(process)
    for kind, word in WORDS.items():
        if word in line:
            return kind
    if "-m trainer.run" in line:
        return "driver"
    return "Ray Serve" if "Serve" in line or "Proxy" in line else "Ray, the rest"


def processes(service: Running) -> list[psutil.Process]:
    return [psutil.Process(service.process.pid), *marked(mark_of(service.data_dir))]


def idle(service: Running, seconds: float) -> Idle:
    watched = processes(service)
    before = {each: sum(each.cpu_times()[:2]) for each in watched}
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    cpu: dict[str, float] = defaultdict(float)
    megabytes: dict[str, float] = defaultdict(float)
    count: Counter[str] = Counter()
    for each, spent in before.items():
        with contextlib.suppress(psutil.Error):
            name = group(each, service.process.pid)
            cpu[name] += 100 * (sum(each.cpu_times()[:2]) - spent) / took
            megabytes[name] += each.memory_info().rss / 1e6
            count[name] += 1
    return Idle(cpu, megabytes, count)


def most_memory(service: Running, until: "Iterator[bool]") -> dict[str, tuple[float, int]]:
    """By group, megabytes of its largest process, and how many there were, while a job runs."""
    most: dict[str, tuple[float, int]] = {}
    for _ in until:
        now: dict[str, list[float]] = defaultdict(list)
        for each in processes(service):
            with contextlib.suppress(psutil.Error):
                now[group(each, service.process.pid)].append(each.memory_info().rss / 1e6)
        for name, found in now.items():
            had, count = most.get(name, (0.0, 0))
            most[name] = (max(had, *found), max(count, len(found)))
        time.sleep(LOOK_EVERY_S)
    return most


def rows_of(service: Running, job_id: str) -> Counter[str]:
    """Rows of the database that belong to a job, by table."""
    engine = connect(f"sqlite:///{service.data_dir}/residual.db")
    found: Counter[str] = Counter()
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            column = table.c.get("job_id") if table.name != "jobs" else table.c.id
            if column is not None:
                wanted = select(func.count()).select_from(table).where(column == job_id)
                found[table.name] += connection.execute(wanted).scalar_one()
    engine.dispose()
    return +found


def bytes_a_job(folder: Path) -> float:
    """Of SQLite's file, of queued jobs."""
    engine = connect(f"sqlite:///{folder}/many.db")
    upgrade(engine)
    with engine.connect() as connection:
        empty = pages(connection.execute(text("PRAGMA page_count")).scalar_one())
    fill(engine, jobs=JOBS, projects=1)
    with engine.connect() as connection:
        full = pages(connection.execute(text("PRAGMA page_count")).scalar_one())
    engine.dispose()
    return (full - empty) / JOBS


def pages(count: int) -> int:
    """Bytes of so many."""
    return count * 4096


@contextmanager
def running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as folder:
        service = start(Path(folder) / "data")
        try:
            yield service
        finally:
            end(service)


def train(service: Running) -> tuple[str, dict[str, tuple[float, int]]]:
    """A job's id, and what its processes took."""
    job = service.submit(**JOB)

    def looking() -> Iterator[bool]:
        while service.job(job)["ended_at"] is None:
            yield True

    return job, most_memory(service, looking())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of idleness")
    seconds = parser.parse_args().seconds
    print(f"{header()}; n = 1\n")
    with running() as service:
        time.sleep(SETTLES_S)
        found = idle(service, seconds)
        print(
            f"| idle for {seconds:g} s | processes | % of one CPU | memory MB |\n|---|---|---|---|"
        )
        for name, cpu in sorted(found.cpu.items(), key=lambda each: -each[1]):
            row = f"| {name} | {found.processes[name]} | {cpu:.1f}"
            print(f"{row} | {found.megabytes[name]:.0f} |")
        total = (sum(found.processes.values()), sum(found.cpu.values()))
        print(
            f"| all | {total[0]} | {total[1]:.1f} | {sum(found.megabytes.values()):.0f} |\n",
            flush=True,
        )
        job, most = train(service)
        print("| while a job of 2 workers runs | processes | largest, MB |\n|---|---|---|")
        for name, (megabytes, count) in sorted(most.items()):
            print(f"| {name} | {count} | {megabytes:.0f} |")
        objects = list(LocalStore(service.data_dir / "objects").list(layout.job(job) + "/"))
        kept = sum(found.size for found in objects) / 1e6
        rows = ", ".join(f"{name} {count}" for name, count in rows_of(service, job).items())
        print(f"\nrows of that job: {rows}; objects: {len(objects)}, {kept:.1f} MB", flush=True)
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as folder:
        print(f"bytes of SQLite for each of {JOBS} queued jobs: {bytes_a_job(Path(folder)):.0f}")


if __name__ == "__main__":
    main()
