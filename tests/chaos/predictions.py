"""Batch predictions whose workers, driver and API are killed at random, and the same prediction undisturbed:
every image one row, and the same bytes."""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.jobs import seconds
from service.lifecycle import TERMINAL
from tests.chaos import collect
from tests.chaos.faults import Fault, strike
from tests.chaos.history import History, Struck
from tests.chaos.stack import Stack, stack

IMAGES = 10_000
MODEL: dict[str, Any] = {
    "arch": "resnet56",
    "dataset": "synthetic",
    "iterations": 4,
    "batch_size": 32,
    "workers": 2,
    "register_as": "patterns",
}
"""Deep enough that 10,000 images take two cores the better part of a minute; what it has learnt does not
matter."""
BODY: dict[str, Any] = {
    "kind": "predict",
    "model": "patterns",
    "dataset": "synthetic",
    "split": "train",
    "rows_per_file": 100,
    "workers": 2,
    "max_retries": 100,
}
VICTIMS = [Fault("predictor"), Fault("predictor"), Fault("driver"), Fault("api")]
PAUSE_S = (0.5, 6.0)
"""Between two kills."""
LOOK_EVERY_S = 0.2
ENDS_WITHIN_S = 900.0

Hashes = dict[str, str]
"""SHA-256 by a file's name, of the bytes as they are downloaded."""


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` kills, over as many predictions as it takes. The history lies in `folder`."""
    history, chance = History(folder / "history.jsonl"), random.Random(seed)
    wrong: list[str] = []
    struck: Counter[str] = Counter()
    attempts = jobs = 0
    with stack(folder / "stack") as running:
        assert _ended(running, running.submit(MODEL))["state"] == "succeeded"
        quiet = _ended(running, running.submit(BODY))
        expected = _fetched(running, quiet["id"], wrong)
        say(f"undisturbed: {len(expected)} files in {_seconds(quiet):.0f} s")
        while struck.total() < n:
            job = running.submit(BODY)
            for record in _kills(running, job, n - struck.total(), chance):
                history.add(record)
                struck[record.fault] += 1
                say(f"{struck.total()} of {n}: {record.fault}; {_done(running, job)} images")
            ended = _ended(running, job)
            jobs, attempts = jobs + 1, attempts + ended["attempt"]
            if ended["state"] != "succeeded":
                wrong.append(f"{job} ended {ended['state']}: {ended['reason']['message']}")
            if _fetched(running, job, wrong) != expected:
                wrong.append(f"the files of {job} are not those of the undisturbed one")
        wrong += _left(running) + running.wrong
    return {
        "images": IMAGES,
        "jobs": jobs,
        "kills": struck.total(),
        "faults": dict(struck),
        "attempts": attempts,
        "files_each": len(expected),
        "violations": wrong,
    }


def _kills(stack: Stack, job: str, most: int, chance: random.Random) -> Iterator[Struck]:
    """So many, as long as the prediction lasts."""
    for _ in range(most):
        time.sleep(chance.uniform(*PAUSE_S))
        fault = chance.choice(VICTIMS)
        record = None
        while record is None:
            if stack.job(job)["state"] in TERMINAL:
                return
            record = strike(stack, fault, chance)
            time.sleep(LOOK_EVERY_S)  # until the next attempt is so far
        yield record


def _ended(stack: Stack, job: str) -> dict[str, Any]:
    return stack.until_state(job, *TERMINAL, within_s=ENDS_WITHIN_S)


def _fetched(stack: Stack, job: str, wrong: list[str]) -> Hashes:
    """What a client gets; `wrong` hears of rows that are missing or there twice."""
    found = stack.get(f"/jobs/{job}/predictions")
    hashes: Hashes = {}
    rows: list[int] = []
    for file in found["files"]:
        content = stack.ask("GET", file["url"]).raise_for_status().content
        hashes[file["name"]] = hashlib.sha256(content).hexdigest()
        rows += pq.read_table(BytesIO(content), columns=["row"])["row"].to_pylist()
        if hashes[file["name"]] != file["sha256"]:
            wrong.append(f"{file['name']} of {job} is not what the service says it is")
    if rows != list(range(IMAGES)) or not found["complete"]:
        wrong.append(f"{job} has {len(rows)} rows, {len(set(rows))} of them different")
    return hashes


def _left(stack: Stack) -> list[str]:
    left = collect.left(stack)
    held = left.cpus - left.cpus_free
    return [f"left running: {line}" for line in left.processes] + [f"{held} CPUs held"] * (held > 0)


def _done(stack: Stack, job: str) -> int:
    return int(stack.get(f"/jobs/{job}/predictions")["images"])


def _seconds(job: dict[str, Any]) -> float:
    return seconds(job["started_at"], job["ended_at"])
