"""What Ray Serve's own ways of taking requests cost, beside each other: `python -m benchmarks.serve_modes`.

CPU time of each kind of process for a request, which other work on the machine hardly changes, and how many
ports are open to other machines. A small network, so that the way to it is what is seen.
"""

import argparse
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import sklearn

from benchmarks.machine import header
from benchmarks.serving_load import Load, run
from benchmarks.serving_ours import Ours, prepared, serving
from service.local.processes import mark_of, marked

MODES: dict[str, dict[str, str]] = {
    "Serve's proxy": {},
    "its throughput mode": {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
    },
    "HAProxy and throughput mode": {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    },
}
"""What Ray finds in its environment."""
KINDS = {"ServeReplica": "replica", "ProxyActor": "proxy", "HAProxy": "proxy", "haproxy": "proxy"}
"""A word of a process's command line → what it is for."""
LOOPBACK = ("127.", "::1")


@dataclass(frozen=True)
class Cost:
    """Of one mode, in one round."""

    milliseconds: dict[str, float]
    """Of CPU a request, by kind of process."""
    per_second: float
    p50_ms: float
    open_ports: int
    """On which something listens that is not on loopback."""


def measured(ours: Ours, mode: str, clients: int, seconds: float) -> Cost:
    with environment(MODES[mode]), serving(ours) as addresses:
        asked = addresses.serve
        load = Load(asked.url, str(asked.body), clients, seconds, asked.headers, warm_s=0.0)
        run(load)  # everything is warm after it
        before = used(addresses.data_dir)
        found = run(load)
        after = used(addresses.data_dir)
        answers = found.per_second * seconds
        spent = {kind: (after[kind] - before[kind]) / answers * 1000 for kind in after}
        return Cost(spent, found.per_second, found.p50_ms, listening(addresses.data_dir))


@contextmanager
def environment(words: dict[str, str]) -> Iterator[None]:
    """Of what is started meanwhile."""
    with tempfile.TemporaryDirectory(prefix="hap-") as folder:
        names = {"CONFIG_FILE_LOC": "h.cfg", "SOCKET_PATH": "h.sock", "SERVER_STATE_FILE": "state"}
        paths = {f"RAY_SERVE_HAPROXY_{key}": f"{folder}/{name}" for key, name in names.items()}
        words = words | paths | {"RAY_SERVE_HAPROXY_SERVER_STATE_BASE": folder}
        kept = dict(os.environ)
        os.environ.update(words)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)


def used(data_dir: Path) -> "Counter[str]":
    """Seconds of CPU so far, by kind of process."""
    found: Counter[str] = Counter()
    for process in marked(mark_of(data_dir)):
        line = " ".join(process.cmdline())
        kind = next((kind for word, kind in KINDS.items() if word in line), "all others")
        times = process.cpu_times()
        found[kind] += times.user + times.system  # type: ignore[assignment]
    return found


def listening(data_dir: Path) -> int:
    return sum(
        connection.status == psutil.CONN_LISTEN and not connection.laddr.ip.startswith(LOOPBACK)
        for process in marked(mark_of(data_dir))
        for connection in process.net_connections("inet")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--folder", type=Path, help="kept, so that the next run imports nothing")
    asked = parser.parse_args()
    costs: dict[str, list[Cost]] = {mode: [] for mode in MODES}
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as temporary:
        folder = (asked.folder or Path(temporary)).absolute()
        folder.mkdir(exist_ok=True, parents=True)
        image = Path(sklearn.__file__).with_name("datasets") / "images" / "china.jpg"
        ours = prepared(folder, image)
        for _ in range(asked.rounds):
            for mode in MODES:
                costs[mode].append(measured(ours, mode, asked.clients, asked.seconds))
                print(f"{mode}: {costs[mode][-1]}", flush=True)
    print(f"\n{header()}; {asked.clients} clients, n = {asked.rounds} of {asked.seconds:.0f} s\n")
    print(
        "| | replica, CPU ms a request | proxy | all others | requests/s | p50, ms | open ports |"
    )
    print("|---|---|---|---|---|---|---|")
    for mode, rounds in costs.items():
        kinds = [
            f"{statistics.median(each.milliseconds.get(kind, 0.0) for each in rounds):.1f}"
            for kind in ("replica", "proxy", "all others")
        ]
        rate = statistics.median(each.per_second for each in rounds)
        p50 = statistics.median(each.p50_ms for each in rounds)
        ports = max(each.open_ports for each in rounds)
        print(f"| {mode} | {' | '.join(kinds)} | {rate:.1f} | {p50:.0f} | {ports} |")


if __name__ == "__main__":
    main()
