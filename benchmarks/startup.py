"""How fast the service starts, how small it stays and how fast it is gone: `make bench`.

Each round is a `residual up` on a fresh data directory; imports are measured in processes of their own.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.machine import header
from service.local.processes import mark_of, marked

IMPORT = "import time; t = time.perf_counter(); import service.main; print(time.perf_counter() - t)"


def import_seconds() -> float:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def one_round(data_dir: Path) -> tuple[float, float, float]:
    """Seconds from `up` to its ready line, MB of its process then, seconds from SIGTERM until no
    process of it is left."""
    began = time.perf_counter()
    residual = Path(sys.executable).with_name("residual")
    with (data_dir / "up.log").open("wb") as log:
        command = [str(residual), "up", "--port=0", f"--data-dir={data_dir}"]
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert service.stdout is not None
    if not service.stdout.readline().startswith("ready"):
        sys.exit((data_dir / "up.log").read_text())
    ready = time.perf_counter() - began
    megabytes = psutil.Process(service.pid).memory_info().rss / 1e6
    began = time.perf_counter()
    os.kill(service.pid, signal.SIGTERM)
    service.wait()
    left = marked(mark_of(data_dir))
    if left:
        sys.exit(f"these processes are left: {left}")
    return ready, megabytes, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    figures: dict[str, list[float]] = {
        "`import service.main`, s": [import_seconds() for _ in range(rounds)]
    }
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="residual-bench-") as folder:
            ready, megabytes, gone = one_round(Path(folder))
        figures.setdefault("`up` until ready, s", []).append(ready)
        figures.setdefault("memory of the API process when ready, MB", []).append(megabytes)
        figures.setdefault("SIGTERM until every process is gone, s", []).append(gone)
    print(f"{header()}; n = {rounds}\n")
    print("| what | min | median | max |\n|---|---|---|---|")
    for name, found in figures.items():
        row = (min(found), statistics.median(found), max(found))
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in row) + " |")


if __name__ == "__main__":
    main()
