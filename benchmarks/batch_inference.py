"""How much of the bare engine's rate a batch prediction has once it has started:
`python -m benchmarks.batch_inference`.

The engine alone: as many processes as the job has workers, with as many threads each, classify the same
images in the same batches from memory and write nothing. The job: of each worker its images after its first
part, over the time from then to its last part. Reading, Parquet, the object store and Ray Data are in it, the
start is not. The two take turns.
"""

import argparse
import re
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from benchmarks.jobs import done
from benchmarks.machine import header
from service.cli.client import Client, connect, known_key
from service.cli.demo_service import running
from trainer.contract.datasets import DATASETS
from trainer.contract.prediction import PREDICTION_BATCH

ARCH, DATASET, IMAGES = "resnet20", "synthetic", 10_000
MODEL = "bench"
TRAINING: dict[str, Any] = {"arch": ARCH, "dataset": DATASET, "iterations": 4, "batch_size": 32}
TOLD = re.compile(
    r"^(\S+) .*\.parquet: (\d+) images, \d+ of them errors, in \S+ s by (.+)$", re.MULTILINE
)
"""A line of the job's log for each part: when, how many images, by whom."""


@dataclass(frozen=True)
class Run:
    """A job."""

    rate: float
    """Images a second after their start, of all workers together."""
    starting_s: float
    """From its submission to the last worker's first part."""


def bare(objects: str, share: int) -> float:
    """Images a second of one process, without what it loads: torch too, which only the children need."""
    import torch

    from trainer.contract import layout
    from trainer.contract.objects.open import open_store
    from trainer.data.arrays import prepare_split
    from trainer.data.synthetic import generate
    from trainer.engines import choose
    from trainer.evaluation import version
    from trainer.predictions.worker import ENGINES

    torch.set_num_threads(1)
    cpu, prefix = torch.device("cpu"), layout.model_version("default", MODEL, 1)
    loaded = version.load(open_store(objects), prefix, device=cpu)
    engine = choose.first(loaded, choose.here(cpu, 1), ENGINES["fp32"]).engine
    split = generate(DATASETS[DATASET]).train
    pixels = prepare_split(split, loaded.meta.transform).pixels[:share]
    engine.logits(pixels[:PREDICTION_BATCH])
    began = time.perf_counter()
    for start in range(0, share, PREDICTION_BATCH):
        engine.logits(pixels[start : start + PREDICTION_BATCH])
    return share / (time.perf_counter() - began)


def alone(processes: Pool, objects: str, workers: int) -> float:
    """Images a second of all processes at once."""
    return sum(processes.starmap(bare, [(objects, IMAGES // workers)] * workers, chunksize=1))


def job(client: Client, workers: int) -> Run:
    body = {"kind": "predict", "model": MODEL, "dataset": DATASET, "split": "train"}
    ended = done(client, body | {"workers": workers, "gpus_per_worker": 0})
    log = client.send("GET", ended["links"]["logs"]).text
    told: dict[str, list[tuple[datetime, int]]] = {}
    for at, count, who in TOLD.findall(log):
        told.setdefault(who, []).append((datetime.fromisoformat(at), int(count)))
    created = datetime.fromisoformat(ended["created_at"])
    starting = max(parts[0][0] for parts in told.values()) - created
    return Run(sum(map(steady, told.values())), starting.total_seconds())


def steady(parts: list[tuple[datetime, int]]) -> float:
    """Images a second of one worker: those after its first part, over the time from that to its last."""
    (began, _), (last, _) = parts[0], parts[-1]
    return sum(count for _, count in parts[1:]) / (last - began).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    engine: list[float] = []
    jobs: list[Run] = []
    with (
        tempfile.TemporaryDirectory(prefix="residual-bench-") as folder,
        running(Path(folder), keep=False) as ready,
        connect(ready.url, known_key(ready.data_dir)) as client,
        get_context("spawn").Pool(asked.workers) as processes,
    ):
        objects = (Path(folder) / "objects").as_uri()
        done(client, TRAINING | {"workers": 1, "gpus_per_worker": 0, "register_as": MODEL})
        for _ in range(asked.rounds):
            engine.append(alone(processes, objects, asked.workers))
            jobs.append(job(client, asked.workers))
            print(f"alone {engine[-1]:.0f} images/s; {jobs[-1]}", flush=True)
    own, rate = statistics.median(engine), statistics.median(each.rate for each in jobs)
    print(f"\n{header()}; {ARCH}, {IMAGES} images, {asked.workers} workers, n = {asked.rounds}\n")
    print("| | median |\n|---|---|")
    print(f"| the engine alone | {own:.0f} images/s |")
    print(f"| a batch prediction after its start | {rate:.0f} images/s: {rate / own:.2f} of it |")
    print(f"| its start | {statistics.median(each.starting_s for each in jobs):.1f} s |")


if __name__ == "__main__":
    main()
