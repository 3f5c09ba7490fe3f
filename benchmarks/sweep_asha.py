"""What ASHA spares of a grid's epochs, and what it loses: 16 trials by both on one service:
`python -m benchmarks.sweep_asha`."""

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks.jobs import done, seconds, service, trials
from benchmarks.machine import header
from service.cli.client import Client

BODY: dict[str, Any] = {
    "kind": "sweep",
    "arch": "resnet8",
    "dataset": "fashion-mnist-mini",
    "workers": 1,
    "gpus_per_worker": 0,
    "space": {
        "recipe.learning_rate": [1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003],
        "recipe.weight_decay": [0.0001, 0.01],
    },
}


@dataclass(frozen=True)
class Searched:
    name: str
    epochs: int
    """Of all trials together."""
    best: float
    """Top-1 error on the validation images, in percent."""
    minutes: float
    stopped: int
    """Trials that ended early."""


def searched(client: Client, body: dict[str, Any], search: dict[str, Any]) -> Searched:
    sweep = done(client, body | {"search": search})
    found = trials(client, sweep)
    return Searched(
        name=search["name"],
        epochs=sum(trial["epoch"] for trial in found),
        best=sweep["result"]["trial"]["value"],
        minutes=seconds(sweep["created_at"], sweep["ended_at"]) / 60,
        stopped=sum(trial["state"] == "cancelled" for trial in found),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--reduction", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=2)
    asked = parser.parse_args()
    searches = [
        {"name": "asha", "reduction": asked.reduction, "at_once": asked.at_once},
        {"name": "grid", "at_once": asked.at_once},
    ]
    with service() as client:
        found = []
        for search in searches:
            found.append(searched(client, BODY | {"epochs": asked.epochs}, search))
            print(found[-1], flush=True)
    asha, grid = found
    print(f"\n{header()}; {asked.epochs} epochs, reduction {asked.reduction}; n = 1\n")
    print("| search | epochs | ended early | best top-1 error | minutes |\n|---|---|---|---|---|")
    for each in (grid, asha):
        print(
            f"| {each.name} | {each.epochs} | {each.stopped} | {each.best:.2f} % | {each.minutes:.1f} |"
        )
    print(
        f"\nASHA: {asha.epochs / grid.epochs:.0%} of the epochs, {asha.best - grid.best:+.2f} points"
    )


if __name__ == "__main__":
    main()
