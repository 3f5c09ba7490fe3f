"""Experiment: a little training is killed again and again between the first and the last byte of saving a
checkpoint. Run by `python -m tests.chaos` and by `test_saving`."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.chaos.saver import Doom, train
from tests.contract.seaweed import BUCKET, CREDENTIALS, seaweed
from tests.training.small_runs import JOB, hashes, small_spec, started
from trainer.contract.lineage import places
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore

EVERY = 2
LITTLE: dict[str, Any] = {
    **{"iterations": 16, "batch_size": 64, "input_size": 16},
    **{"checkpoint_every": {"steps": EVERY}},
}
SPEC = small_spec(**LITTLE)
KEPT = small_spec(**LITTLE, keep_checkpoints={"last": 100})
"""The same, of which every checkpoint stays."""
SAVINGS = 2
"""An attempt dies in the first or the second one that it makes: it comes on, and never far."""
WRITES = 13
"""Of a saving, with those that drop an older checkpoint."""
AFTER_S = 0.01
"""The longest that an attempt lives on after the write it is to die with has begun: about as long as one
takes."""
ENDS_WITHIN_S = 120.0
NOT_SAVED = "it was not saved to its end"


@dataclass
class Job:
    """One that is killed until it comes to its end."""

    url: str
    environment: dict[str, str]
    chance: random.Random
    reference: ObjectStore
    """Of an undisturbed run: with all checkpoints."""
    kills: int = 0
    lost: list[int] = field(default_factory=list)
    """Steps that each kill cost, since the last checkpoint that was begun."""
    wrong: list[str] = field(default_factory=list)

    @cached_property
    def store(self) -> ObjectStore:
        return open_store(self.url)

    def run(self, most: int) -> None:
        """With `most` kills at most."""
        number, alive = 0, False
        while not alive:
            number += 1
            alive = self._attempt(number, self._doom() if self.kills < most else None)
            if number > 1:
                self._judge(number)
            self.kills += not alive
        last = self._whose_last(number)
        if hashes(self.store, last, SPEC.iterations) != self._undisturbed(SPEC.iterations):
            self.wrong.append(f"{self.url} ended with other weights")

    def _whose_last(self, number: int) -> int:
        """The attempt that saved the last step: one that went on from there had nothing to save."""
        begun = started(self.store, number)
        at_the_end = begun.resumed_step == SPEC.iterations
        return (begun.resumed_attempt if at_the_end else None) or number

    def _doom(self) -> Doom:
        chance = self.chance
        return Doom(
            saving=chance.randint(1, SAVINGS),
            write=chance.randint(1, WRITES),
            after_s=chance.uniform(0, AFTER_S) * chance.randint(0, 1),
        )

    def _attempt(self, number: int, doom: Doom | None) -> bool:
        """Whether it came to its end."""
        code = run_apart(self.url, self.environment, number, SPEC, doom)
        if code not in {0, -signal.SIGKILL}:
            self.wrong.append(f"attempt {number} of {self.url} ended with {code}")
        return code == 0

    def _judge(self, number: int) -> None:
        """How attempt `number` went on from what the one before it had left."""
        begun, before = started(self.store, number), places(self.store, JOB, number - 1)
        newest = before[-1].step if before else started(self.store, number - 1).resumed_step
        self.lost.append(newest - begun.resumed_step)
        if self.lost[-1] > EVERY:
            self.wrong.append(f"attempt {number} of {self.url} lost {self.lost[-1]} steps")
        if damaged := [why for why in begun.skipped if NOT_SAVED not in why]:
            self.wrong.append(f"attempt {number} of {self.url} found {damaged}")
        if begun.resumed_attempt:
            loaded = hashes(self.store, begun.resumed_attempt, begun.resumed_step)
            if loaded != self._undisturbed(begun.resumed_step):
                self.wrong.append(f"attempt {number} of {self.url} loaded other weights")

    def _undisturbed(self, step: int) -> dict[str, str]:
        return hashes(self.reference, 1, step)


def run_apart(*asked: Any) -> int | None:
    """The exit code of a process of its own that does `train` with what is asked."""
    apart = get_context("forkserver")
    apart.set_forkserver_preload([train.__module__])  # torch is loaded once
    process = apart.Process(target=train, args=asked)
    process.start()
    process.join(ENDS_WITHIN_S)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"{asked} did not end within {ENDS_WITHIN_S} s")
    return process.exitcode


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` kills, of jobs whose store is a directory and SeaweedFS in turn."""
    chance, kept = random.Random(seed), (folder / "undisturbed").as_uri()
    assert run_apart(kept, {}, 1, KEPT, None) == 0
    (folder / "seaweed").mkdir()
    jobs: list[Job] = []
    with seaweed(folder / "seaweed") as endpoint:
        access = {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1"} | CREDENTIALS
        urls = ((folder / "jobs").as_uri(), f"s3://{BUCKET}")
        with patch.dict(os.environ, access):
            while (kills := sum(job.kills for job in jobs)) < n:
                url = f"{urls[len(jobs) % 2]}/job-{len(jobs)}"
                jobs.append(Job(url, access, chance, open_store(kept)))
                jobs[-1].run(n - kills if len(jobs) > 1 else (n + 1) // 2)
                say(f"{kills + jobs[-1].kills} kills, {jobs[-1].wrong or 'no mistakes'}")
    lost = [steps for job in jobs for steps in job.lost]
    return {
        "kills": sum(job.kills for job in jobs),
        "jobs": len(jobs),
        "steps_lost_at_most": max(lost),
        "cost_a_checkpoint": sum(steps > 0 for steps in lost),
        "violations": [sentence for job in jobs for sentence in job.wrong],
    }
