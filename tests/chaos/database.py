"""Experiment: PostgreSQL is killed while the service, just restarted, takes its jobs up again. None may be
stranded, and the API says 503 and nothing worse. Run by `python -m tests.chaos` and `test_database`."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from tests.chaos.figures import percentile
from tests.chaos.stack import ASK_AGAIN_S, READY_WITHIN_S, Stack, stack
from tests.local.running import spawn

SMALL = {"arch": "resnet8", "dataset": "digits", "workers": 1, "gpus_per_worker": 0, "epochs": 2}
LARGE = SMALL | {"workers": 64}
"""It waits for ever."""
KILLED_WITHIN_S = 8.0
"""Of the service's start, which takes about half as long."""
AWAY_S = (0.2, 4.0)
ANSWERS_WITHIN_S = 30.0
ALIVE_WITHIN_S = 2.0
"""A service that still starts takes connections and says nothing: it is not alive yet."""
SETTLES_WITHIN_S = 600.0
LIVE_AT_ONCE = 6
"""Small jobs; with more the last of them would be long in coming."""
ENDED = {"succeeded", "failed", "cancelled"}


@dataclass
class Result:
    kills: int
    """Of the database; before each, the service was killed and started again."""
    jobs: int = 0
    states_met: dict[str, int] = field(default_factory=dict)
    """State → jobs that were in it when the database was killed."""
    answers: dict[str, int] = field(default_factory=dict)
    """'path status' → how often, while the database was away or the service started."""
    back_p50_s: float | None = None
    """From the database's return to an answer with data in it."""
    back_p95_s: float | None = None
    stranded: int = 0
    """Jobs that did not come to their end, in the end."""
    seconds: int = 0
    violations: list[str] = field(default_factory=list)


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` kills of the database."""
    chance, result, began = random.Random(seed), Result(kills=n), time.monotonic()
    with stack(folder, database="postgresql") as running:
        trial = _Trial(running, chance, result)
        trial.submit(LARGE)
        for number in range(1, n + 1):
            trial.ask_for_something()
            result.states_met = dict(Counter(result.states_met) + Counter(trial.states().values()))
            trial.kill_while_it_recovers()
            say(f"{number} of {n} kills, back after {trial.back_s[-1]:.1f} s")
        trial.settle()
    result.back_p50_s = percentile(trial.back_s, 50)
    result.back_p95_s = percentile(trial.back_s, 95)
    result.seconds = round(time.monotonic() - began)
    return asdict(result)


@dataclass
class _Trial:
    running: Stack
    chance: random.Random
    result: Result
    jobs: list[str] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)

    def submit(self, body: dict[str, object]) -> None:
        self.jobs.append(self.running.submit(body))
        self.result.jobs = len(self.jobs)

    def states(self) -> dict[str, str]:
        return {job_id: self.running.job(job_id)["state"] for job_id in self.jobs}

    def ask_for_something(self) -> None:
        """So that jobs are in every state: a new one, and a wish for two of those that there are."""
        states = self.states()
        if sum(state not in {*ENDED, "paused"} for state in states.values()) < LIVE_AT_ONCE:
            self.submit(SMALL)
        for what in self.chance.sample(["cancel", "pause", "pause", "resume"], k=2):
            # A refusal is as good: then the job was not in a state for it.
            self.running.ask("POST", f"/jobs/{self.chance.choice(self.jobs)}/{what}")

    def kill_while_it_recovers(self) -> None:
        """Kill and start the service; kill the database in the middle of that; start it again."""
        assert self.running.database is not None
        self.running.kill_api()
        self.running.service = spawn(
            self.running.data_dir, port=self.running.port, **self.running.settings
        )
        away_from = self.chance.uniform(0, KILLED_WITHIN_S)
        self._look_for(away_from)
        self.running.database.kill()
        self._look_for(self.chance.uniform(*AWAY_S), expect_away=True)
        self.running.database.start()
        began = time.monotonic()
        while not self._look("/jobs", timeout=ALIVE_WITHIN_S):
            if self.running.service.poll() is not None:
                self.result.violations.append("the service ended because its database was away")
                self.running.restart_api()
            if time.monotonic() > began + READY_WITHIN_S:
                raise AssertionError(f"it does not come back:\n{self.running.log()[-4000:]}")
        self.back_s.append(time.monotonic() - began)

    def settle(self) -> None:
        """Resume what is paused, cancel what can never start, and wait for all to end."""
        deadline = time.monotonic() + SETTLES_WITHIN_S
        for job_id, state in self.states().items():
            if state == "paused":
                self.running.ask("POST", f"/jobs/{job_id}/resume")
        self.running.ask("POST", f"/jobs/{self.jobs[0]}/cancel")
        while left := {i: s for i, s in self.states().items() if s not in ENDED}:
            for job_id, state in left.items():
                if state == "paused":  # it was still pausing a moment ago
                    self.running.ask("POST", f"/jobs/{job_id}/resume")
            if time.monotonic() > deadline:
                self.result.stranded = len(left)
                self.result.violations.append(f"stranded: {left}")
                return
            threading.Event().wait(1)  # between two looks, until the deadline
        failed = [self.running.job(job_id) for job_id in self.jobs]
        self.result.violations += [
            f"{job['id']} failed: {job['reason']}" for job in failed if job["state"] == "failed"
        ]

    def _look_for(self, seconds: float, *, expect_away: bool = False) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            paths = ("/jobs", f"/jobs/{self.chance.choice(self.jobs)}", "/readyz")
            for path in paths if self._look("/healthz", timeout=ALIVE_WITHIN_S) else ():
                if self._look(path) and expect_away:
                    self.result.violations.append(f"{path} answered without a database")
            threading.Event().wait(ASK_AGAIN_S)  # between two looks

    def _look(self, path: str, *, timeout: float = ANSWERS_WITHIN_S) -> bool:
        """Whether it answered with what was asked for. What may never be is noted."""
        try:
            answer = self.running.api.get(path, timeout=timeout)
        except httpx.TransportError:  # the service is still starting
            threading.Event().wait(ASK_AGAIN_S)
            return False
        status, name = answer.status_code, path if path.count("/") == 1 else "/jobs/{id}"
        line = f"{name} {status}"
        self.result.answers[line] = self.result.answers.get(line, 0) + 1
        is_refusal = status == 503 and ("Retry-After" in answer.headers or path == "/readyz")
        if status != 200 and (path == "/healthz" or not is_refusal):
            self.result.violations.append(f"{path} answered {status}: {answer.text[:300]}")
        return status == 200
