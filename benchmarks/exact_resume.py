"""Is a killed training the undisturbed one? Networks × shortcuts × recipes × workers, each with its kills.

`python -m benchmarks.exact_resume [--cells 3] [--kills 4]` prints the table of docs/reliability.md. Each cell
is a `residual verify-resume` on CPUs; a worker uses one thread.
"""

import argparse
import itertools
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import header
from trainer.contract.datasets import DATASETS
from trainer.contract.recipes import RECIPES
from trainer.contract.resolve import resolve
from trainer.contract.spec import TrainSpec
from trainer.verify.verdict import Verdict
from trainer.verify.verify import verify

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet20": {"batch_size": 64, "input_size": 16},
    "resnet18": {"batch_size": 32, "input_size": 16, "stem": "small"},
}
"""Images of 16 pixels: what is looked at does not depend on their size, and the time does."""
STEPS = 40
EVERY = 6
"""Steps between checkpoints: the kills fall before, between and after them."""

Cell = tuple[str, str, str, int]


def cells() -> list[Cell]:
    """Network, shortcut, recipe, workers."""
    return list(itertools.product(NETWORKS, "ABC", RECIPES, (1, 2)))


def spec_of(cell: Cell) -> dict[str, Any]:
    arch, shortcut, recipe, workers = cell
    return NETWORKS[arch] | {
        "arch": arch,
        "shortcut": shortcut,
        "recipe": recipe,
        "workers": workers,
        "dataset": "digits",
        "iterations": STEPS,
        "checkpoint_every": {"steps": EVERY},
    }


def run(cell: Cell, *, kills: int, seed: int) -> Verdict:
    asked = TrainSpec.model_validate(spec_of(cell))
    spec = resolve(asked, DATASETS[asked.dataset], gpus=0)
    with TemporaryDirectory(prefix="residual-exact-") as folder:
        return verify(spec, Path(folder), kills=kills, seed=seed, say=lambda _: None)


def row(cell: Cell, found: Verdict) -> str:
    arch, shortcut, recipe, workers = cell
    killed = ", ".join(
        f"{each.step}{'' if each.workers == 'all' else ' (one)' if workers > 1 else ''}"
        for each in found.kills
    )
    sha = next(each.undisturbed[:12] for each in found.compared if each.name == "weights")
    verdict = "bit-identical" if found.exact else "; ".join(found.wrong)
    done = f"{found.steps} / {found.steps_done}"
    return (
        f"| {arch} | {shortcut} | {recipe} | {workers} | {killed} | {done} | `{sha}` | {verdict} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, help="only so many, drawn by the seed")
    parser.add_argument("--kills", type=int, default=4, help="in each cell")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chosen = cells()
    if given.cells is not None:
        chosen = random.Random(given.seed).sample(chosen, given.cells)
    print(f"{header()}\n")
    print(
        "| network | shortcut | recipe | workers | killed after steps | steps / done in all | weights "
        "| result |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    began, wrong, kills = time.monotonic(), 0, 0
    for number, cell in enumerate(chosen):
        found = run(cell, kills=given.kills, seed=given.seed + number)
        wrong, kills = wrong + (not found.exact), kills + len(found.kills)
        print(row(cell, found), flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"\n{len(chosen)} cells, {kills} kills, {wrong} not bit-identical; {minutes:.0f} minutes")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
