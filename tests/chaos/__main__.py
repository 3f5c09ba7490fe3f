"""The experiments by name: `python -m tests.chaos kills --n 200 --jobs 50 --seed 1`, and `report`, which
writes the table of docs/reliability.md from what was measured. `make chaos` runs all of them."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.chaos import (
    cancels,
    corruption,
    crash_points,
    database,
    idempotency,
    images,
    kills,
    nodes,
    partitions,
    predictions,
    recovery,
    replicas,
    saving,
    silence,
    soak,
    storage,
    sweep,
    versions,
    zombies,
)
from tests.chaos.report import Result, keep, write

Run = Callable[..., dict[str, object]]

EXPERIMENTS: dict[str, tuple[Run, int]] = {
    "kills": (kills.run, 200),
    "crash-points": (crash_points.run, 10),
    "database": (database.run, 50),
    "idempotency": (idempotency.run, 1000),
    "cancels": (cancels.run, 200),
    "zombies": (zombies.run, 50),
    "silence": (silence.run, 120),
    "recovery": (recovery.run, 20),
    "replicas": (replicas.run, 10),
    "saving": (saving.run, 200),
    "corruption": (corruption.run, 1000),
    "storage": (storage.run, 20),
    "sweep": (sweep.run, 20),
    "images": (images.run, 5000),
    "versions": (versions.run, 50),
    "predictions": (predictions.run, 20),
    "soak": (soak.run, 60),
    "nodes": (nodes.run, 5),
    "partitions": (partitions.run, 5),
}
"""Name → what runs it, and how often for the tables."""


def main() -> None:
    """Exit status 1: a promise was broken."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended first
    if asked.experiment == "report":
        write()
        return
    names = list(EXPERIMENTS) if asked.experiment == "all" else [asked.experiment]
    broken = [sentence for name in names for sentence in _one(name, asked)]
    sys.exit(bool(broken))


def _one(name: str, asked: argparse.Namespace) -> list[str]:
    """Run an experiment and keep its result; the promises that were broken."""
    run, usual = EXPERIMENTS[name]
    if name == "kills" and asked.jobs:
        run = partial(run, jobs=asked.jobs)
    if name in {"crash-points", "nodes", "partitions"} and asked.parts:
        run = partial(run, parts=tuple(asked.parts.split(",")))
    n, began = asked.n or usual, time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{name}-"))
    _say(f"{name}: n = {n}, seed {asked.seed}, in {folder}")
    try:
        figures = run(folder, n=n, seed=asked.seed, say=_say)
    except AssertionError as broken:  # something that was waited for never came
        figures = {"violations": [f"it broke off: {broken}"]}
    result = Result.of(name, n, asked.seed, figures, seconds=time.monotonic() - began)
    keep(result)
    for sentence in result.violations:
        _say(f"BROKEN: {sentence}")
    _say(
        f"{name}: {len(result.violations)} broken promises in {result.seconds} s; {result.figures}"
    )
    return result.violations


def _say(message: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {message}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("experiment", choices=[*EXPERIMENTS, "all", "report"])
    parser.add_argument("--n", "--kills", type=int, help="how often; default: as in the tables")
    parser.add_argument(
        "--jobs", type=int, help="of `kills`, at least; default: one for every four"
    )
    parser.add_argument(
        "--parts",
        help="of `crash-points`, `nodes`, `partitions`: some of them, with commas; default: all",
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
