"""Experiment: between the service and Ray something swallows all requests, then answers nonsense in Ray's
place, while jobs run. No job may change for it. Run by `python -m tests.chaos` and by `test_silence`."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.liar import NONSENSE, Liar, Mood, liar
from tests.chaos.ray_apart import ray_apart
from tests.chaos.stack import Stack, stack
from tests.waiting import until

LONG = {
    **{"arch": "resnet8", "dataset": "digits", "workers": 1, "gpus_per_worker": 0},
    **{"cpus_per_worker": 0.5, "epochs": 100_000, "checkpoint_every": {"epochs": 50}},
}
"""It outlasts the experiment."""
LARGE = LONG | {"workers": 64}
RUNS_WITHIN_S = 180.0
RIGHT_WITHIN_S = 30.0
MOOD_LASTS_S = 1.0
BY_ITSELF = {"starting", "running", "completed", "cancelled_by_user"}
"""Codes of the reasons that the events may carry: no attempt is lost, none is retried."""


@dataclass
class Result:
    seconds_each: int
    """Of silence, and of nonsense."""
    lies: int = 0
    """Requests that Ray never saw."""
    right_after_s: list[float] = field(default_factory=list)
    """From the first honest answer until the cluster is shown, a job that was cancelled meanwhile is
    ended and one that was submitted meanwhile is on its way."""
    wrong_changes: int = 0
    violations: list[str] = field(default_factory=list)


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` seconds of silence, then as many of nonsense."""
    chance, result = random.Random(seed), Result(seconds_each=n)
    with ray_apart(folder / "ray") as ray, liar(ray.address) as between:
        settings = ray.settings(address=between.address)
        with stack(folder / "service", env=settings) as running:
            trial = _Trial(running, between, result)
            trial.begin()
            trial.bear("swallowed", lambda: between.become(Mood.SWALLOWS), n)
            say(f"silence over; right after {result.right_after_s[-1]:.1f} s")
            trial.bear("nonsense", lambda: between.become(chance.choice(NONSENSE)), n)
            say(f"nonsense over; right after {result.right_after_s[-1]:.1f} s")
            trial.judge()
    result.lies = between.lies
    result.right_after_s = [round(seconds, 1) for seconds in result.right_after_s]
    return asdict(result)


@dataclass
class _Trial:
    running: Stack
    between: Liar
    result: Result
    jobs: dict[str, str] = field(default_factory=dict)
    """What each is for → its id."""

    def begin(self) -> None:
        """One job runs all the time, one waits all the time."""
        self.jobs = {"runs": self.running.submit(LONG), "waits": self.running.submit(LARGE)}
        self._until("runs", "running")

    def bear(self, name: str, lie: Callable[[], None], seconds: float) -> None:
        """Lie for a time, during which a job is cancelled and one submitted; then see it right."""
        self.jobs[f"cancelled, {name}"] = doomed = self.running.submit(LONG)
        self._until(f"cancelled, {name}", "running")
        lie()
        self.running.ask("POST", f"/jobs/{doomed}/cancel")
        self.jobs[f"submitted, {name}"] = late = self.running.submit(LONG)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            lie()
            self._nothing_moves(doomed, late)
            threading.Event().wait(min(MOOD_LASTS_S, left))
        self.between.become(Mood.HONEST)
        began = time.monotonic()
        until(lambda: self._is_right(doomed, late), within_s=RUNS_WITHIN_S)
        self.result.right_after_s.append(time.monotonic() - began)
        if self.result.right_after_s[-1] > RIGHT_WITHIN_S:
            self.result.violations.append(f"right only {self.result.right_after_s[-1]:.0f} s after")
        self.running.ask("POST", f"/jobs/{late}/cancel")
        self._until(f"submitted, {name}", "cancelled")

    def judge(self) -> None:
        """Nothing that happened is for the cluster's silence."""
        for what, job_id in self.jobs.items():
            job = self.running.job(job_id)
            if job["attempt"] > 1:
                self._wrong(f"'{what}' is in attempt {job['attempt']}")
            for event in self.running.get(f"/jobs/{job_id}/events")["items"][1:]:
                if event["reason"]["code"] not in BY_ITSELF:
                    self._wrong(f"'{what}': {event}")
        for what, state in (("runs", "running"), ("waits", "queued")):
            if (shown := self.running.job(self.jobs[what]))["state"] != state:
                self._wrong(f"'{what}' is {shown['state']}: {shown['reason']}")

    def _nothing_moves(self, doomed: str, late: str) -> None:
        """What is being cancelled may not be called so, and nothing can start, while Ray is away."""
        seen = {job_id: self.running.job(job_id)["state"] for job_id in (doomed, late)}
        if seen != {doomed: "cancelling", late: "queued"}:
            self._wrong(f"the cancelled and the submitted job are {list(seen.values())}")

    def _is_right(self, doomed: str, late: str) -> bool:
        cluster = self.running.api.get("/cluster")
        return (
            cluster.is_success
            and self.running.job(doomed)["state"] == "cancelled"
            and self.running.job(late)["state"] in {"starting", "running"}
        )

    def _until(self, what: str, state: str) -> dict[str, Any]:
        return self.running.until_state(self.jobs[what], state, within_s=RUNS_WITHIN_S)

    def _wrong(self, said: str) -> None:
        self.result.wrong_changes += 1
        self.result.violations.append(said)
