"""The long experiment: jobs of two workers each, while their processes and the service's are killed and
frozen at random. A seed decides which, in which order, and when."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.faults import Fault, choose, strike
from tests.chaos.history import History, Submitted
from tests.chaos.stack import Stack, stack
from tests.chaos.watcher import Watcher, watching

SMALL: dict[str, Any] = {
    "arch": "resnet20",
    "dataset": "digits",
    "workers": 2,
    "cpus_per_worker": 0.5,
    "max_retries": 100,
}
SPECS: dict[str, dict[str, Any]] = {
    "resnet20": SMALL | {"iterations": 60, "batch_size": 64, "checkpoint_every": {"steps": 6}},
    "resnet20-seed-1": SMALL
    | {"iterations": 50, "batch_size": 32, "seed": 1, "checkpoint_every": {"steps": 10}},
    "resnet8": SMALL
    | {"arch": "resnet8", "iterations": 100, "batch_size": 96, "checkpoint_every": {"steps": 7}},
}
"""As small as they can be: 45 steps are an epoch of the first one."""

PAUSE_S = (0.5, 12.0)
"""Between two faults. An attempt takes 10 to 20 s to its first step on two cores: all of its life is hit."""
AT_ONCE = 3
"""Jobs that have not ended, as long as there are kills to come: every kill meets one that runs, or starts,
and others that wait behind it."""
HEALTHY_WITHIN_S = 180.0
VICTIM_WITHIN_S = 40.0
"""How long a fault waits for a process of its kind: the next attempt may be starting."""
STILL_S = 900.0
"""Jobs among which nothing has changed for so long are stuck. A retry waits for 300 s at most."""


@dataclass
class Experiment:
    """One run of it."""

    stack: Stack
    history: History
    specs: tuple[str, ...]
    jobs: int
    """The least; there are as many as it takes until the last kill."""
    kills: int
    order: random.Random
    """Of the faults: it depends on nothing that happens."""
    chance: random.Random
    """Of their moments and victims."""
    say: Callable[[str], None]
    pause_s: tuple[float, float] = PAUSE_S
    submitted: int = 0
    killed: int = 0
    idle: int = 0
    """Kills that met no job: only of those that ended in the very moment."""

    def run(self, watcher: Watcher) -> None:
        """Until the last job has ended, or nothing moves any more."""
        submitting = threading.Thread(
            target=self._submit_all, args=[watcher], name="submitter", daemon=True
        )
        submitting.start()
        while self.killed < self.kills:
            self._strike(choose(self.order), watcher)
        submitting.join()
        self.say(f"{self.killed} kills are done; waiting for the last jobs")
        while not self._over(watcher):
            self.stack.restart_api()
            time.sleep(1)

    def _submit_all(self, watcher: Watcher) -> None:
        while self.killed < self.kills or self.submitted < self.jobs:
            if self._unended(watcher) >= AT_ONCE:
                time.sleep(0.5)
                continue
            name, key = self.specs[self.submitted % len(self.specs)], f"chaos-{self.submitted}"
            job = self.stack.submit(SPECS[name] | {"name": key}, key=key)
            self.submitted += 1
            self.history.add(Submitted(at=time.time(), key=key, job=job, spec=name))

    def _unended(self, watcher: Watcher) -> int:
        """Jobs that have not ended, those among them that nobody has been shown yet."""
        return self.submitted + len(self.specs) - len(watcher.shown) + watcher.live()

    def _strike(self, fault: Fault, watcher: Watcher) -> None:
        """Wait until all answer, and for the moment; then strike. What has no victim by then is left out."""
        self.stack.restart_api(within_s=HEALTHY_WITHIN_S)
        time.sleep(self.chance.uniform(*self.pause_s))
        deadline = time.monotonic() + VICTIM_WITHIN_S
        while (record := strike(self.stack, fault, self.chance)) is None:
            if time.monotonic() > deadline:
                self.say(f"nothing to {fault}")
                return
            time.sleep(0.2)  # until the next attempt is so far
        self.history.add(record)
        self.killed += fault.kills
        live = self._unended(watcher)
        self.idle += fault.kills and not live
        told = f"{live} of {self.submitted} jobs live"
        self.say(f"{self.killed}/{self.kills} {fault} at {record.at:.1f}; {told}")

    def _over(self, watcher: Watcher) -> bool:
        """All that were submitted have been seen, and have ended; or they stand still."""
        return not self._unended(watcher) or time.monotonic() - watcher.changed_at > STILL_S


def run(
    folder: Path,
    *,
    n: int,
    seed: int,
    say: Callable[[str], None],
    jobs: int | None = None,
    specs: tuple[str, ...] = tuple(SPECS),
    pause_s: tuple[float, float] = PAUSE_S,
) -> dict[str, object]:
    """`n` kills over at least `jobs` jobs (default: one for every four kills). The history lies in
    `folder`."""
    began = time.monotonic()
    history = History(folder / "history.jsonl")
    with stack(folder / "stack", database="postgresql", store="seaweed") as running:
        for name in specs:
            history.add(collect.reference(running, name, SPECS[name]))
            say(f"undisturbed {name} is done")
        experiment = Experiment(
            stack=running,
            history=history,
            specs=specs,
            jobs=jobs or max(3, n // 4),
            kills=n,
            order=random.Random(seed),
            chance=random.Random(f"moments {seed}"),
            say=say,
            pause_s=pause_s,
        )
        with watching(running, history) as watcher:
            experiment.run(watcher)
        ids = [record.job for record in history.records if isinstance(record, Submitted)]
        history.add(*(collect.ended(running, job) for job in ids))
        history.add(collect.left(running))
    return {
        "jobs": experiment.submitted,
        "kills": experiment.killed,
        "idle_kills": experiment.idle,
        "faults": dict(Counter(record.fault for record in history.struck())),
        "seconds": round(time.monotonic() - began),
        "violations": violations(history.records) + running.wrong,
    }
