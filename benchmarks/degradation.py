"""The degradation experiment of the paper's Fig. 6, small: plain and residual, shallow and deep.

Four jobs through REST on a fresh service, two at a time on two cores; a picture and a table come out.
`make degradation` writes docs/degradation.png. Small batches: what depth needs is steps.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.jobs import service
from benchmarks.machine import header
from service.cli.client import Client

DATASET = "fashion-mnist-mini"
KINDS = ("plain", "resnet")
LOOK_EVERY_S = 5.0
COLOURS = ("tab:orange", "tab:red")
"""Of the shallower and of the deeper network."""


@dataclass(frozen=True)
class Curve:
    """Error in percent by epoch."""

    arch: str
    minutes: float
    train: list[float]
    """Mean over the epoch's steps, on the augmented images that were trained on."""
    val: list[float]


def train_all(client: Client, kinds: list[str], body: dict[str, Any]) -> list[Curve]:
    """Queue all, wait for all. Raises SystemExit when one does not succeed."""
    jobs = [client.post("/jobs", body | {"arch": arch}) for arch in kinds]
    began = time.monotonic()
    while any(job["ended_at"] is None for job in jobs):
        time.sleep(LOOK_EVERY_S)
        jobs = [client.get(f"/jobs/{job['id']}") for job in jobs]
        epochs = ", ".join(f"{job['spec']['arch']} {_epoch(job)}" for job in jobs)
        print(f"\r{time.monotonic() - began:5.0f} s: {epochs}", end="", flush=True)
    print()
    for job in jobs:
        if job["state"] != "succeeded":
            raise SystemExit(f"{job['spec']['arch']} {job['state']}: {job['reason']}")
    return [curve(job, client.get(f"/jobs/{job['id']}/metrics")["points"]) for job in jobs]


def curve(job: dict[str, Any], points: list[dict[str, Any]]) -> Curve:
    epochs = range(1, job["spec"]["epochs"] + 1)
    errors = {
        split: [
            [point["top1_error"] for point in points if (point["split"], point["epoch"]) == key]
            for key in ((split, epoch) for epoch in epochs)
        ]
        for split in ("train", "val")
    }
    began, ended = (time.mktime(_clock(job[name])) for name in ("started_at", "ended_at"))
    return Curve(
        arch=job["spec"]["arch"],
        minutes=(ended - began) / 60,
        train=[sum(found) / len(found) for found in errors["train"]],
        val=[found[-1] for found in errors["val"]],
    )


def draw(curves: list[Curve], title: str, path: Path) -> None:
    """As the paper's Fig. 6: plain left, residual right, training thin, validation bold."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, sides = plt.subplots(1, 2, figsize=(11, 4.6), sharey=True, layout="constrained")
    for axes, kind in zip(sides, KINDS, strict=True):
        mine = [found for found in curves if found.arch.startswith(kind)]
        for found, colour in zip(mine, COLOURS, strict=True):
            epochs = range(1, len(found.train) + 1)
            axes.plot(
                epochs, found.train, color=colour, linewidth=1, label=f"{found.arch}, training"
            )
            axes.plot(epochs, found.val, color=colour, linewidth=2.6, label=f"{found.arch}, test")
        axes.set(xlabel="epoch", ylim=(0, 50), xlim=(1, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title("plain" if kind == "plain" else "residual")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    sides[0].set_ylabel("top-1 error (%)")
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def verdict(curves: list[Curve]) -> str:
    """Whether depth hurts the training error, in words, for each kind."""
    said = []
    for kind in KINDS:
        shallow, deep = (found for found in curves if found.arch.startswith(kind))
        more = deep.train[-1] - shallow.train[-1]
        word = "higher" if more > 0 else "lower"
        said.append(
            f"{deep.arch} ends with a training error {abs(more):.1f} points {word} than {shallow.arch}"
        )
    return "; ".join(said) + "."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--depths", type=int, nargs=2, default=(20, 44))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("docs/degradation.png"))
    asked = parser.parse_args()
    body = {
        "dataset": DATASET,
        "epochs": asked.epochs,
        "batch_size": asked.batch_size,
        "recipe": {"name": "paper-cifar", "learning_rate": asked.learning_rate},
        "workers": 1,
        "gpus_per_worker": 0,
        "seed": asked.seed,
    }
    archs = [f"{kind}{depth}" for depth in sorted(asked.depths, reverse=True) for kind in KINDS]
    began = time.monotonic()
    with service() as client:
        curves = train_all(client, archs, body)
    minutes = (time.monotonic() - began) / 60
    curves.sort(key=lambda found: (found.arch.startswith("resnet"), len(found.arch), found.arch))
    title = (
        f"{DATASET}: {asked.epochs} epochs of paper-cifar with {asked.batch_size} images a step, "
        f"rate {asked.learning_rate:g}, seed {asked.seed}"
    )
    draw(curves, title, asked.output)
    print(f"\n{header()}; n = 1; {minutes:.0f} minutes in all\n")
    print("| network | training error, last epoch | test error, last epoch | minutes |")
    print("|---|---|---|---|")
    for found in curves:
        print(
            f"| {found.arch} | {found.train[-1]:.1f} % | {found.val[-1]:.1f} % | {found.minutes:.1f} |"
        )
    print(f"\n{verdict(curves)}\nThe picture is in {asked.output}.")


def _epoch(job: dict[str, Any]) -> str:
    progress = job["progress"]
    return f"{progress['epoch']}/{progress['epochs']}" if progress else job["state"]


def _clock(at: str) -> time.struct_time:
    return time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S")


if __name__ == "__main__":
    main()
