"""Experiment: the service for `n` minutes under all that it is for: trainings, a sweep now and then,
predictions all the time, and one kill a minute. Run by `python -m tests.chaos soak --n 60`.

The API is not among the victims: its memory is judged. It is killed in `kills`."""

import itertools
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.faults import Fault, strike
from tests.chaos.history import History, Submitted
from tests.chaos.samples import SETTLES_S, Samples, picture, sampling, slope
from tests.chaos.stack import Stack, stack
from tests.chaos.watcher import watching
from tests.waiting import until
from trainer.contract import attempts, journal, layout
from trainer.contract.attempts import Started

SMALL: dict[str, Any] = {
    "arch": "resnet8",
    "dataset": "digits",
    "workers": 2,
    "cpus_per_worker": 0.5,
}
JOB = SMALL | {
    "iterations": 200,
    "batch_size": 96,
    "checkpoint_every": {"steps": 10},
    "max_retries": 100,
}
SWEEP = SMALL | {
    **{"kind": "sweep", "iterations": 20, "batch_size": 96, "max_retries": 100},
    "space": {"seed": [0, 1]},
}
MODEL = "soak"
AT_ONCE = 2
KILL_EVERY_S, SWEEP_EVERY_S, ASK_EVERY_S = 60.0, 600.0, 0.5
VICTIMS = {
    Fault("worker"): 40,
    Fault("driver"): 24,
    Fault("database"): 12,
    Fault("store"): 12,
    Fault("raylet"): 6,
    Fault("gcs"): 6,
}
STILL_S = 900.0
LEAST_GOODPUT = 0.90
MOST_GROWTH_MB = 1.0
"""A minute, of the API's memory once it has settled."""
MORE = 20
"""Files, threads and processes, the median of the last third over that of the first: restarts come and go."""


@dataclass
class Soak:
    """One run of it."""

    stack: Stack
    history: History
    chance: random.Random
    ends_at: float
    say: Callable[[str], None]
    kills: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    sweeps: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    """Of predictions: by status, or what came instead."""

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.ends_at

    def submit(self) -> None:
        """Jobs, and a sweep now and then, as long as it goes on."""
        sweep_at = time.monotonic()
        while self.goes_on:
            if time.monotonic() >= sweep_at:
                sweep_at += SWEEP_EVERY_S
                self.sweeps.append(self.stack.submit(SWEEP))
            if len(self.unended()) < AT_ONCE:
                key = f"soak-{self.jobs}"
                job = self.stack.submit(JOB | {"name": key}, key=key)
                self.jobs += 1
                self.history.add(Submitted(at=time.time(), key=key, job=job, spec="job"))
            time.sleep(1)

    def unended(self) -> list[str]:
        ended = {"succeeded", "failed", "cancelled"}
        jobs = [one.job for one in self.history.records if isinstance(one, Submitted)]
        return [job for job in jobs[-2 * AT_ONCE :] if self.stack.job(job)["state"] not in ended]

    def kill(self) -> None:
        """One process a minute."""
        for number in itertools.count(1):
            due = self.ends_at - time.monotonic() - KILL_EVERY_S
            if due < 0:
                return
            time.sleep(KILL_EVERY_S)
            fault = self.chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            if record := strike(self.stack, fault, self.chance):
                self.history.add(record)
                self.kills[record.fault] += 1
                self.say(
                    f"{number}: {fault}; {self.jobs} jobs, {sum(self.answers.values())} answers"
                )

    def ask(self) -> None:
        """Classify one image again and again: whatever is killed, no answer is another one."""
        file = BytesIO()
        Image.new("L", (8, 8), 128).save(file, "PNG")
        first = None
        while self.goes_on:
            try:
                answer = self.stack.api.post(
                    f"/predict?model={MODEL}",
                    content=file.getvalue(),
                    headers={"Content-Type": "image/png"},
                )
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.is_success:
                    best = answer.json()["results"][0]["predictions"][0]["label"]
                    first = first or best
                    self.answers["another answer"] += best != first
            time.sleep(ASK_EVERY_S)


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """For `n` minutes, and until the last job has ended. History and picture lie in `folder`."""
    history = History(folder / "history.jsonl")
    with stack(folder / "stack", database="postgresql", store="seaweed") as running:
        history.add(collect.reference(running, "job", JOB | {"register_as": MODEL}))
        deployment = f"/models/{MODEL}/deployment"
        running.ask("PUT", deployment, json={}).raise_for_status()
        until(lambda: running.get(deployment)["state"] == "ready", within_s=120)
        say("a model serves")
        ends_at = time.monotonic() + n * 60
        soak = Soak(running, history, random.Random(seed), ends_at, say)
        with watching(running, history) as watcher, sampling(running) as samples:
            with _beside(soak.ask, soak.submit):
                soak.kill()
            while soak.unended() and time.monotonic() - watcher.changed_at < STILL_S:
                running.restart_api()
                time.sleep(1)
        sweeps = Counter(
            running.until_state(one, "succeeded", "failed", within_s=300)["state"]
            for one in soak.sweeps
        )
        jobs = [one.job for one in history.records if isinstance(one, Submitted)]
        history.add(*(collect.ended(running, job) for job in jobs))
        history.add(collect.left(running))
        useful_s, again_s = _worked(running, jobs)
    picture(samples, folder / "memory.png")
    say(f"memory over time: {folder / 'memory.png'}")
    goodput = useful_s / (useful_s + again_s) if useful_s else 0.0
    grown = _grown(samples)
    return {
        "minutes": n,
        "jobs": soak.jobs,
        "sweeps": dict(sweeps),
        "kills": dict(soak.kills),
        "answers": dict(soak.answers),
        "goodput": round(goodput, 3),
        "useful_s": round(useful_s),
        "done_again_s": round(again_s),
        **grown,
        "violations": [
            *violations(history.records),
            *running.wrong,
            *_judged(soak, sweeps, goodput, grown),
        ],
    }


def _judged(
    soak: Soak, sweeps: Counter[str], goodput: float, grown: dict[str, float | None]
) -> Iterator[str]:
    if sweeps["failed"]:
        yield f"{sweeps['failed']} sweeps failed"
    if soak.answers["another answer"]:
        yield f"{soak.answers['another answer']} predictions were other than the first"
    if wrong := {name for name in soak.answers if name in {"500", "502", "404"}}:
        yield f"predictions were answered {', '.join(sorted(wrong))}"
    if goodput < LEAST_GOODPUT:
        yield f"goodput is {goodput:.0%}"
    growth = grown["api_mb_per_minute"]
    if growth is not None and growth > MOST_GROWTH_MB:
        yield f"the API's memory grows by {growth} MB a minute"
    for what in ("files", "threads", "processes"):
        more = grown[f"more_{what}"]
        if more is not None and more > MORE:
            yield f"{more:g} {what} more in the last third than in the first"


def _grown(samples: Samples) -> dict[str, float | None]:
    """What the API and Ray took, and by how much that grew; None: it was too short to say."""
    settled = samples.of("api", after_s=SETTLES_S)
    growth = slope([(at, one.memory_mb) for at, one in settled])
    found: dict[str, float | None] = {
        "api_mb": samples.of("api")[-1][1].memory_mb,
        "api_mb_per_minute": None if growth is None else round(growth, 2),
        "disk_mb": samples.taken[-1].disk_mb,
    }
    later = [each for each in samples.taken if each.at_s >= SETTLES_S]
    third = len(later) // 3
    found["more_disk_mb"] = round(later[-1].disk_mb - later[0].disk_mb, 1) if later else None
    for what in ("files", "threads", "processes"):
        totals = [
            sum(getattr(one, what) for group, one in each.groups.items() if group != "training")
            for each in later
        ]
        found[f"most_{what}"] = max(totals, default=None)
        found[f"more_{what}"] = (
            statistics.median(totals[-third:]) - statistics.median(totals[:third])
            if third
            else None
        )
    return found


def _worked(running: Stack, jobs: list[str]) -> tuple[float, float]:
    """Goodput's two sums: seconds of training whose steps count, and of those that had to be done again
    because the attempt was ended after its last checkpoint. A step lasts from the one before it, of the same
    attempt; starting again and waiting are in neither."""
    useful = again = 0.0
    for job in jobs:
        newest = running.job(job)["attempt"]
        for number in range(1, newest + 1):
            later = [
                found.resumed_step
                for other in range(number + 1, newest + 1)
                if (found := attempts.read(running.objects, layout.started(job, other), Started))
            ]
            counts_until = min(later) if later else None
            chunks = journal.read(running.objects, layout.metrics(job, number))
            points = [
                attempts.MetricPoint.model_validate(record)
                for _, records in chunks
                for record in records
                if record["split"] == "train"
            ]
            for before, point in itertools.pairwise(points):
                lasted = (point.time - before.time).total_seconds()
                if counts_until is None or point.step <= counts_until:
                    useful += lasted
                else:
                    again += lasted
    return useful, again


@contextmanager
def _beside(*parts: Callable[[], None]) -> Iterator[None]:
    """Each in a thread of its own, which ends by itself."""
    threads = [threading.Thread(target=part, daemon=True) for part in parts]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        for each in threads:
            each.join()
