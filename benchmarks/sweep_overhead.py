"""What a sweep costs beside its trainings: the same ones as a sweep of one trial at a time, and submitted by
hand one after another: `python -m benchmarks.sweep_overhead`.

By hand is a script that submits the next when the last has ended, on the same service with the same workers.
The two take turns.
"""

import argparse
import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.jobs import done, seconds, service, trials
from benchmarks.machine import header
from service.cli.client import Client

BODY: dict[str, Any] = {
    "arch": "resnet20",
    "dataset": "fashion-mnist-mini",
    "workers": 1,
    "gpus_per_worker": 0,
}


@dataclass(frozen=True)
class Swept:
    """A sweep, in seconds."""

    starting: float
    """From the request to the first trial's job."""
    training: float
    """From there to the end of the last trial."""
    ending: float
    """From there to the sweep's own."""


def by_hand(client: Client, body: dict[str, Any], seeds: range) -> float:
    """Seconds from the first request to the end of the last job."""
    jobs = [done(client, body | {"seed": seed}) for seed in seeds]
    return seconds(jobs[0]["created_at"], jobs[-1]["ended_at"])


def swept(client: Client, body: dict[str, Any], seeds: range) -> Swept:
    space = {"seed": list(seeds)}
    sweep = done(client, body | {"kind": "sweep", "space": space, "search": {"at_once": 1}})
    jobs = [client.get(f"/jobs/{trial['job']}") for trial in trials(client, sweep)]
    first, last = jobs[0]["created_at"], jobs[-1]["ended_at"]
    return Swept(
        seconds(sweep["created_at"], first),
        seconds(first, last),
        seconds(last, sweep["ended_at"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    body, seeds = BODY | {"epochs": asked.epochs}, range(asked.trials)
    hand: list[float] = []
    sweeps: list[Swept] = []
    with service() as client:
        done(client, BODY | {"epochs": 1})  # the first training reads everything from the disk
        for number in range(asked.rounds):
            turns = ["hand", "sweep"] if number % 2 == 0 else ["sweep", "hand"]
            for turn in turns:
                if turn == "hand":
                    hand.append(by_hand(client, body, seeds))
                    print(f"by hand: {hand[-1]:.1f} s", flush=True)
                else:
                    sweeps.append(swept(client, body, seeds))
                    print(f"swept: {sweeps[-1]}", flush=True)
    one, all_ = statistics.median(hand), statistics.median(each.training for each in sweeps)
    starting = statistics.median(each.starting for each in sweeps)
    ending = statistics.median(each.ending for each in sweeps)
    print(f"\n{header()}; {asked.trials} trials of {asked.epochs} epochs, n = {asked.rounds}\n")
    print("| | seconds, median |\n|---|---|")
    print(f"| by hand | {one:.1f} |")
    print(f"| as a sweep, from its first trial to its last | {all_:.1f}: {all_ / one - 1:+.1%} |")
    print(f"| a sweep's start: until its first trial waits in line | {starting:.1f} |")
    print(f"| a sweep's end: after its last trial | {ending:.1f} |")


if __name__ == "__main__":
    main()
