"""What a scrape of /metrics costs with many jobs in line: `python -m benchmarks.scrape`.

The application in this process, on SQLite and, where it is installed, on PostgreSQL, with a tenth as many
ended jobs again beside the queued ones.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import generate_latest
from sqlalchemy import update

from benchmarks.api_latency import databases, fill
from benchmarks.machine import header
from service.clock import utc_now
from service.db.engine import connect
from service.db.tables import JobRow
from service.metrics import tally
from service.metrics.gauges import Gauges
from service.metrics.instruments import Instruments
from service.metrics.standing import Standing

WARM_UP = 10


def timed(call: Callable[[], object], runs: int) -> tuple[list[float], float]:
    """Milliseconds of each run, the shortest first; and of this process' CPU time, on average."""
    durations = []
    for run in range(runs + WARM_UP):
        if run == WARM_UP:
            cpu = time.process_time()
        began = time.perf_counter()
        call()
        if run >= WARM_UP:
            durations.append((time.perf_counter() - began) * 1000)
    return sorted(durations), (time.process_time() - cpu) / runs * 1000


def measure(url: str, jobs: int, runs: int) -> dict[str, tuple[list[float], float]]:
    """Milliseconds of the questions to the database alone, and of a whole scrape."""
    fill(url, jobs)
    fill(url, jobs // 10)
    engine = connect(url)
    newest = JobRow.__table__.select().order_by(JobRow.id.desc()).limit(jobs // 10)
    with engine.begin() as connection:
        ended = [row.id for row in connection.execute(newest)]
        connection.execute(update(JobRow).where(JobRow.id.in_(ended)).values(state="succeeded"))
    instruments = Instruments()
    gauges = Gauges(lambda: tally.take(engine), Standing, utc_now, "0")
    instruments.registry.register(gauges)
    found = {
        "questions to the database": timed(lambda: tally.take(engine), runs),
        "a whole scrape": timed(lambda: generate_latest(instruments.registry), runs),
    }
    engine.dispose()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    print(f"{header()}; n = {options.runs}, {options.jobs} queued jobs\n")
    print("| database | what | CPU ms | p50 ms | p95 ms | max ms |\n|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory(prefix="residual-bench-") as folder,
        databases(Path(folder)) as urls,
    ):
        for database, url in urls.items():
            for what, (durations, cpu) in measure(url, options.jobs, options.runs).items():
                p50, p95 = statistics.median(durations), durations[int(len(durations) * 0.95)]
                times = f"{cpu:.1f} | {p50:.1f} | {p95:.1f} | {durations[-1]:.1f}"
                print(f"| {database} | {what} | {times} |")


if __name__ == "__main__":
    main()
