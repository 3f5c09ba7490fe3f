"""What checkpoints cost a training in all, at one a minute: images/s lost, in percent.

A checkpoint costs the loop its wait, and then slower steps while it is proved, written, hashed and stored
beside them. All of that is seen in how much longer a stretch of training steps takes with one checkpoint at
its beginning than the same stretch without. Minutes need not pass for that: a stretch is as long as the work
beside it, whose end it waits for, and its seconds are divided by sixty. Stretches with and without take
turns. CPU seconds are of the whole process that keeps checkpoints; those of a checkpoint alone, with no step
beside it, are what its work comes to. They say the same of a machine that does other things as well. One
worker computes with all cores, two with one each, as the service places them.

    python -m benchmarks.checkpoint_cost
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.checkpoint_parts import Training, describe, spec, training
from benchmarks.machine import header

EVERY_S = 60.0

TRAININGS: dict[str, dict[str, Any]] = {
    "ResNet-20, 32×32, batch 128": {
        "arch": "resnet20",
        "dataset": "fashion-mnist-mini",
        "batch_size": 128,
    },
    "ResNet-50, 32×32, batch 16, 1000 classes": {
        "arch": "resnet50",
        "dataset": "synthetic",
        "batch_size": 16,
        "classes": 1000,
    },
}


class Stretch(NamedTuple):
    """What some steps took."""

    seconds: float
    cpu_s: float
    """Of all threads."""


def stretch(made: Training, steps: int, *, checkpoint: bool) -> Stretch:
    began, cpu = time.perf_counter(), time.process_time()
    if checkpoint:
        made.reporter.checkpoint_due(made.done)
    made.steps(steps)
    made.checkpoints.land()
    made.wait()
    return Stretch(time.perf_counter() - began, time.process_time() - cpu)


def alone(made: Training, times: int) -> float:
    """CPU seconds of a checkpoint with nothing beside it, the median of so many."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        made.checkpoints.save(made.done, None)
        made.checkpoints.land()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def measure(made: Training, *, seconds: float, pairs: int) -> str:
    """A row of the table."""
    made.steps(5)
    stretch(made, 1, checkpoint=True)  # what is slow the first time is not what is measured
    steps = max(2, round(seconds / (stretch(made, 3, checkpoint=False).seconds / 3)))
    costs, cpu, rates = [], [], []
    for _ in range(pairs):
        without = stretch(made, steps, checkpoint=False)
        with_one = stretch(made, steps, checkpoint=True)
        costs.append(with_one.seconds - without.seconds)
        cpu.append(with_one.cpu_s - without.cpu_s)
        rates.append(steps * made.learner.spec.batch_size / without.seconds)
    low, _, high = statistics.quantiles(costs, n=4)
    cost = statistics.median(costs)
    return (
        f"{statistics.median(rates):.0f} | {cost:.2f} ({low:.2f} to {high:.2f}) "
        f"| {statistics.median(cpu):.2f} | {alone(made, pairs):.2f} | {100 * cost / EVERY_S:.2f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a stretch")
    parser.add_argument("--only", default="", help="trainings of such a name")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    options = parser.parse_args()
    print(f"{header()}; {describe()}; n = {options.pairs} pairs of {options.seconds:g} s\n")
    columns = "| training | workers | images/s | one costs s (quartiles) | CPU s | alone, CPU s "
    print(f"{columns}| at one a minute |\n|---|---|---|---|---|---|---|")
    chosen = {name: body for name, body in TRAININGS.items() if options.only in name}
    for (name, body), workers in itertools.product(chosen.items(), options.workers):
        wanted = spec(**{"workers": workers, "epochs": 1} | body)
        with (
            tempfile.TemporaryDirectory(prefix="residual-bench-") as folder,
            training(wanted, Path(folder)) as made,
        ):
            print(
                f"| {name} | {workers} | {measure(made, seconds=options.seconds, pairs=options.pairs)} |"
            )


if __name__ == "__main__":
    main()
