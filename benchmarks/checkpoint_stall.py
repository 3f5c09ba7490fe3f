"""How long a training loop waits for a checkpoint of ResNet-50 with momentum (205 MB): ours, `torch.save`
of the same state to a file, and `torch.distributed.checkpoint.async_save` as it comes.

The three and a step without any take turns, each after a training step and when nothing is left to write
of the one before; so all of them meet the same machine. Ours is `Reporter.checkpoint_due`, what the loop
calls, whole, and what the next optimizer's step waits for the copy. What goes on beside the next training
step makes that one longer: the last column has the wait and that together, against the step without any.

    python -m benchmarks.checkpoint_stall
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict_saver import async_save

from benchmarks.checkpoint_parts import Training, describe, spec, training
from benchmarks.machine import header


class Waited(NamedTuple):
    """One checkpoint's cost to the loop."""

    stall_ms: float
    """What it waited."""
    whole_ms: float
    """The wait, and the training step after it."""


WARM_UP = 2
"""Rounds that are not counted."""

Settle = Callable[[], object]
"""Returns when what was begun is written."""


def ours(made: Training, _: Path) -> Settle:
    made.reporter.checkpoint_due(made.done)
    return made.checkpoints.land


def torch_save(made: Training, folder: Path) -> Settle:
    torch.save(_state(made), folder / "state.pt")
    return lambda: None


def dcp_async(made: Training, folder: Path) -> Settle:
    answer = async_save(_state(made), checkpoint_id=folder / "dcp")
    assert isinstance(answer, Future)
    return answer.result


def nothing(_: Training, __: Path) -> Settle:
    return lambda: None


NONE = "none"
WAYS: dict[str, Callable[[Training, Path], Settle]] = {
    NONE: nothing,
    "ours": ours,
    "torch.save": torch_save,
    "DCP async_save": dcp_async,
}


def _state(made: Training) -> dict[str, Any]:
    return {
        "model": made.learner.network.state_dict(),
        "optimizer": made.learner.optimizer.state_dict(),
    }


def measure(made: Training, folder: Path, rounds: int) -> dict[str, list[Waited]]:
    """By way, in the order of the rounds."""
    waited: dict[str, list[Waited]] = {name: [] for name in WAYS}
    for number in range(rounds + WARM_UP):
        for name, begin in WAYS.items():
            made.step()
            made.wait()
            place = folder / "other"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            times = [time.perf_counter()]
            settle = begin(made, place)
            times.append(time.perf_counter())
            sums = made.compute()
            times.append(time.perf_counter())
            if begin is ours:
                made.checkpoints.snapshot.settle()
            times.append(time.perf_counter())
            made.update(sums)
            made.wait()
            times.append(time.perf_counter())
            settle()
            if number >= WARM_UP:
                stall = times[1] - times[0] + times[3] - times[2]
                waited[name].append(Waited(1000 * stall, 1000 * (times[-1] - times[0])))
    return waited


def report(waited: dict[str, list[Waited]]) -> None:
    def median(name: str, which: int) -> float:
        return statistics.median(each[which] for each in waited[name])

    print("| way | wait: median ms | min ms | max ms | times ours | wait and step, longer by ms |")
    print("|---|---|---|---|---|---|")
    for name in [name for name in waited if name != NONE]:
        stalls = [each.stall_ms for each in waited[name]]
        print(
            f"| {name} | {median(name, 0):.1f} | {min(stalls):.1f} | {max(stalls):.1f} "
            f"| {median(name, 0) / median('ours', 0):.1f} | {median(name, 1) - median(NONE, 1):.0f} |"
        )
    print(f"\nA step without any: {median(NONE, 1):.0f} ms (median).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    # Small images and few: the state is as large as with others.
    wanted = spec(1000, arch="resnet50", dataset="synthetic", batch_size=2, workers=1, epochs=1)
    with tempfile.TemporaryDirectory(prefix="residual-bench-") as folder:
        dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=0, world_size=1)
        with training(wanted, Path(folder)) as made:
            made.step()
            state = [*made.learner.network.state_dict().values()]
            momenta = [one["momentum_buffer"] for one in made.learner.optimizer.state.values()]
            size = sum(tensor.nbytes for tensor in (*state, *momenta)) / 1e6
            print(f"{header()}; {describe()}; {size:.0f} MB; n = {options.rounds}\n")
            report(measure(made, Path(folder), options.rounds))
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
