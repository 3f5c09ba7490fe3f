"""Experiment: a Ray cluster of three hosts, of which nodes are killed, cut off and added while they train
together; a model is served and a sweep tried on them. Run by `python -m tests.chaos` and by `tests/hosts`."""

import io
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.chaos import collect
from tests.chaos.recovery import newest
from tests.hosts.host import Host
from tests.hosts.site import Site, site
from tests.waiting import until

SPEC: dict[str, Any] = {
    **{"arch": "resnet8", "dataset": "digits", "batch_size": 96, "iterations": 90},
    **{"workers": 2, "cpus_per_worker": 1, "max_retries": 100},
    **{"checkpoint_every": {"steps": 10}, "keep_checkpoints": {"best": 1, "last": 2}},
}
"""A node has one CPU, so each worker is on a host of its own."""
SWEEP: dict[str, Any] = {
    **{"kind": "sweep", "space": {"seed": [0, 1, 2, 3]}, "arch": "resnet8", "dataset": "digits"},
    **{"epochs": 2, "batch_size": 96, "workers": 1, "cpus_per_worker": 1},
    "search": {"at_once": 3},
}
NEXT_STEP_WITHIN_S = 60.0
ENDS_WITHIN_S = 400.0
GROWS_WITHIN_S = 240.0
"""The service waits for a minute before it makes a job larger."""
ALL = ("together", "kill", "cut", "grow", "serve", "sweep")
ONCE = {"together", "sweep"}
ASKED = 20
"""Predictions, before and after a node with a replica was killed."""
LOOK_EVERY_S = 0.2


@dataclass
class Result:
    same_weights: int = 0
    """Trainings whose weights are bit for bit those of the same job on one host."""
    killed_s: list[float] = field(default_factory=list)
    """From a node's end in the middle of an epoch to the next step that a client can read."""
    cut_s: list[float] = field(default_factory=list)
    """The same, of one whose cable was pulled."""
    grown_s: list[float] = field(default_factory=list)
    """From a new node's start until an elastic job trains on it too."""
    served_by: list[int] = field(default_factory=list)
    """Hosts that have the two replicas of a deployment."""
    predictions: dict[int, int] = field(default_factory=dict)
    """Status → answers, while a node with a replica was killed."""
    answered_again_s: list[float] = field(default_factory=list)
    """From that until the first of twenty answers in a row that were right."""
    trials_on: int | None = None
    """Hosts that trials of one sweep trained on."""
    violations: list[str] = field(default_factory=list)


def run(
    folder: Path,
    *,
    n: int,
    seed: int,
    say: Callable[[str], None],
    parts: tuple[str, ...] = ALL,
    within_s: float = NEXT_STEP_WITHIN_S,
) -> dict[str, object]:
    """`n` nodes killed, cut off and added, each while another job trains, and `n` killed under replicas.
    Nothing is kept in `folder`."""
    with site(head_cpus=1) as there:
        trial = _Trial(there, random.Random(seed), say, within_s)
        for workers in (3, 2) if "together" in parts else (2,):
            trial.alone(workers)
        for part in parts:
            for _ in range(1 if part in ONCE else n):
                trial.whole()
                PARTS[part](trial)
        left = collect.left(there.stack)
        trial.result.violations += [f"a process is left: {line}" for line in left.processes]
        trial.result.violations += there.stack.wrong
    return {"parts": list(parts)} | _figures(trial.result)


@dataclass
class _Trial:
    site: Site
    chance: random.Random
    say: Callable[[str], None]
    within_s: float
    """The longest that a next step may take."""
    result: Result = field(default_factory=Result)
    weights: dict[int, str] = field(default_factory=dict)
    """Number of workers → SHA-256 of what they come to on one host."""
    last: str = ""
    """The newest job that succeeded."""

    def alone(self, workers: int) -> None:
        """As many workers share the one CPU of the head, which is the only node so far."""
        spec = SPEC | {"workers": workers, "cpus_per_worker": round(1 / workers, 3)}
        self.weights[workers] = collect.reference(self.site.stack, str(workers), spec).sha256
        self.say(f"{workers} workers on one host: {self.weights[workers]}")

    def whole(self) -> None:
        """Three nodes, those that were killed among them."""
        missing = {"one", "two"} - self.site.nodes.keys()
        for node in [self.site.start_node(name, cpus=1) for name in missing]:
            self.site.has_joined(node)

    def together(self) -> None:
        job = self.submit(workers=3)
        self.until_checkpoint(job)
        self.right(len(self.site.having("worker")) == 3, "three workers are not on three hosts")
        self.came_to_the_same(job, workers=3)

    def kill(self) -> None:
        job, victim = self.submit_and_choose()
        self.result.killed_s.append(self.next_step(job, lambda: self.site.kill(victim)))
        self.say(f"next step {self.result.killed_s[-1]} s after {victim.name} was killed")
        self.came_to_the_same(job, workers=2)

    def cut(self) -> None:
        job, victim = self.submit_and_choose()
        self.result.cut_s.append(self.next_step(job, lambda: self.site.lan.cut(victim)))
        self.say(f"next step {self.result.cut_s[-1]} s after {victim.name} was cut off")
        self.site.has_left(victim)
        self.site.lan.heal(victim)
        self.came_to_the_same(job, workers=2)
        self.site.has_joined(victim)  # its Ray was given up, ends, and is started again

    def grow(self) -> None:
        gone = self.site.nodes["two"]
        self.site.kill(gone)
        self.site.has_left(gone)
        job = self.submit(workers={"min": 1, "max": 3}, iterations=1_000_000)
        self.until_checkpoint(job)
        self.right(self.site.stack.job(job)["workers"] == 2, "it did not begin with two workers")
        began = time.monotonic()
        self.site.start_node("two", cpus=1)
        until(
            lambda: len(self.site.having("worker")) == 3 and self.is_on(job, workers=3),
            within_s=GROWS_WITHIN_S,
            every_s=LOOK_EVERY_S,
        )
        self.result.grown_s.append(round(time.monotonic() - began, 1))
        self.say(f"three workers {self.result.grown_s[-1]} s after a node was started")
        self.site.stack.ask("POST", f"/jobs/{job}/cancel").raise_for_status()
        self.site.stack.until_state(job, "cancelled")

    def serve(self) -> None:
        """Two replicas on two hosts; then one of the hosts is killed."""
        stack, model = self.site.stack, f"hosts-{len(self.result.served_by)}"
        if not self.last:
            self.came_to_the_same(self.submit(), workers=2)
        stack.ask("POST", "/models", json={"name": model, "job": self.last}).raise_for_status()
        path, wanted = f"/models/{model}/deployment", {"replicas": {"min": 2, "max": 2}}
        stack.ask("PUT", path, json=wanted).raise_for_status()
        until(lambda: stack.get(path)["replicas"] == 2, within_s=ENDS_WITHIN_S, every_s=1)
        hosts = self.site.having("replica")
        self.result.served_by.append(len(hosts))
        names = " and ".join(host.name for host in hosts)
        doors_used = self.doors_used()
        self.right(len(hosts) == 2, f"two replicas are on {names}")
        answers = Counter(self.predict(model) for _ in range(ASKED))
        self.right(answers == {200: ASKED}, f"predictions were answered {dict(answers)}")
        self.right(self.doors_used() > doors_used, "all predictions went by Serve's proxy")
        for victim in [host for host in hosts if host.name != "head"][:1]:
            self.site.kill(victim)
            self.result.answered_again_s.append(self.answers_again(model))
            took = self.result.answered_again_s[-1]
            self.say(f"replicas on {names}: answers {took} s after {victim.name} was killed")
        stack.ask("DELETE", path).raise_for_status()
        until(lambda: not self.site.having("replica"), within_s=ENDS_WITHIN_S, every_s=1)

    def doors_used(self) -> float:
        """Predictions that went straight to a replica, which needs that each of the two was asked before."""
        text = self.site.stack.ask("GET", "/metrics").raise_for_status().text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "residual_predictions_asked_total" and sample.labels["way"] == "door"
        )

    def answers_again(self, model: str) -> float:
        """Seconds until the first of as many right answers in a row as are asked for."""
        began, since, right, answers = time.monotonic(), 0.0, 0, Counter[int]()
        while right < ASKED:
            assert time.monotonic() < began + ENDS_WITHIN_S, f"answers are {dict(answers)}"
            status = self.predict(model)
            answers[status] += 1
            right = right + 1 if status == httpx.codes.OK else 0
            since = time.monotonic() if right == 1 else since
        self.result.predictions = dict(Counter(self.result.predictions) + answers)
        self.right(not set(answers) - {200, 503}, f"with a node lost: {dict(answers)}")
        return round(since - began, 1)

    def sweep(self) -> None:
        stack, seen = self.site.stack, set[str]()
        job = stack.submit(SWEEP)
        deadline = time.monotonic() + ENDS_WITHIN_S
        while (shown := stack.job(job))["ended_at"] is None:
            assert time.monotonic() < deadline, f"the sweep is {shown['state']}: {shown['reason']}"
            seen |= {host.name for host in self.site.having("worker")}
            time.sleep(LOOK_EVERY_S)
        self.result.trials_on = len(seen)
        self.right(shown["state"] == "succeeded", f"the sweep: {shown['reason']}")
        self.right(len(seen) > 1, f"all trials trained on {seen}")
        self.say(f"the trials of a sweep trained on {', '.join(sorted(seen))}")

    def submit(self, **other: object) -> str:
        return self.site.stack.submit(SPEC | other)

    def submit_and_choose(self) -> tuple[str, Host]:
        """A job that trains, and a node of its that is not the head."""
        job = self.submit()
        self.until_checkpoint(job)
        at_work = [host for host in self.site.having("worker") if host.name != "head"]
        return job, self.chance.choice(at_work)

    def until_checkpoint(self, job: str) -> None:
        until(
            lambda: (
                newest(self.site.stack, job)
                and self.site.stack.get(f"/jobs/{job}/checkpoints")["items"]
            ),
            within_s=ENDS_WITHIN_S,
            every_s=LOOK_EVERY_S,
        )

    def next_step(self, job: str, strike: Callable[[], None]) -> float:
        """Seconds from the fault until a client can read a step that was made after it."""
        at, began = datetime.now().astimezone(), time.monotonic()
        strike()
        while (step := newest(self.site.stack, job)) is None or step <= at:
            assert time.monotonic() < began + ENDS_WITHIN_S, f"{job} makes no step any more"
            time.sleep(LOOK_EVERY_S)
        took = round(time.monotonic() - began, 1)
        self.right(took <= self.within_s, f"the next step came after {took} s")
        return took

    def came_to_the_same(self, job: str, *, workers: int) -> None:
        ended = self.site.stack.until_state(job, "succeeded", "failed", within_s=ENDS_WITHIN_S)
        self.right(ended["state"] == "succeeded", f"{job} failed: {ended['reason']}")
        found = collect.final_weights(self.site.stack, ended)
        same = found == self.weights[workers]
        self.right(same, f"{job} came to {found}, on one host to {self.weights[workers]}")
        self.result.same_weights += same
        self.last = job
        self.say(f"{job} ended in attempt {ended['attempt']}, weights {found}")

    def is_on(self, job: str, *, workers: int) -> bool:
        shown = self.site.stack.job(job)
        return bool(shown["state"] == "running" and shown["workers"] == workers)

    def predict(self, model: str) -> int:
        """The status of an answer."""
        picture = io.BytesIO()
        Image.new("L", (8, 8), self.chance.randrange(256)).save(picture, "PNG")
        try:
            answer = self.site.stack.api.post(
                "/predict",
                params={"model": model},
                content=picture.getvalue(),
                headers={"Content-Type": "image/png"},
                timeout=90,
            )
        except httpx.TransportError as error:
            self.result.violations.append(f"the API itself did not answer: {error!r}")
            return 0
        return answer.status_code

    def right(self, kept: object, otherwise: str) -> None:
        if not kept:
            self.result.violations.append(otherwise)
            self.say(f"BROKEN: {otherwise}")


PARTS: dict[str, Callable[[_Trial], None]] = {
    "together": _Trial.together,
    "kill": _Trial.kill,
    "cut": _Trial.cut,
    "grow": _Trial.grow,
    "serve": _Trial.serve,
    "sweep": _Trial.sweep,
}


def _figures(result: Result) -> dict[str, object]:
    """Without what was not asked for."""
    all_of_it = asdict(result).items()
    return {name: value for name, value in all_of_it if value or name == "violations"}
