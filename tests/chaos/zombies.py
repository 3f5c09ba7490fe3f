"""Attempts that were believed dead and wake up: stopped beyond their lease, given up, overtaken by the next
attempt, and then let go on. Nothing that they still write may be believed."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.faults import send
from tests.chaos.figures import percentile
from tests.chaos.history import History, Struck, Submitted
from tests.chaos.kills import SMALL
from tests.chaos.stack import Stack, stack
from trainer.contract import checkpoints

BODY = SMALL | {"arch": "resnet8", "batch_size": 64, "iterations": 300}
BODY["checkpoint_every"] = {"steps": 20}
FROZEN = {"driver": 1, "one worker": 1, "all workers": 1, "all": 3}
"""What is stopped, of six times. Ray kills what is stopped alone before it can go on; only where all of an
attempt is stopped, with Ray's process that would kill it, does it wake up beside its successor."""
GIVEN_UP_WITHIN_S = 120.0
ENDED_WITHIN_S = 300.0


@dataclass
class Woken:
    """What became of one zombie."""

    frozen: str
    given_up_s: float
    """From the SIGSTOP until the next attempt ran."""
    alive: int
    """How many of its processes were still there to go on."""
    late: int = 0
    """Checkpoints that it committed after it was given up."""


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` zombies, one at a time."""
    chance, history = random.Random(seed), History(folder / "history.jsonl")
    found: list[Woken] = []
    with stack(folder / "stack") as running:
        history.add(collect.reference(running, "small", BODY))
        for number, frozen in enumerate(_choose(chance, n), 1):
            key = f"zombie-{number}"
            job = running.submit(BODY | {"name": key}, key=key)
            history.add(Submitted(at=time.time(), key=key, job=job, spec="small"))
            found.append(_raise(running, job, frozen, chance, history))
            history.add(collect.ended(running, job))
            say(f"{number} of {n}: {found[-1]}")
        history.add(collect.left(running))
    return {
        "frozen": dict(Counter(each.frozen for each in found)),
        "next_attempt_p50_s": percentile([each.given_up_s for each in found], 50),
        "next_attempt_most_s": percentile([each.given_up_s for each in found], 100),
        "processes_that_went_on": sum(each.alive for each in found),
        "late_commits": sum(each.late for each in found),
        "violations": violations(history.records),
    }


def _raise(stack: Stack, job: str, frozen: str, chance: random.Random, history: History) -> Woken:
    """Stop processes of the job's first attempt, and let them go on beside the next one."""
    while not stack.get(f"/jobs/{job}/checkpoints")["items"]:
        time.sleep(0.1)  # until the attempt has something to lose
    victims = _victims(stack, frozen, chance)
    began = time.monotonic()
    for each in victims:
        send(each, signal.SIGSTOP)
        history.add(Struck(at=time.time(), fault=f"freeze {frozen}", pid=each.pid))
    seen = stack.job(job)
    while seen["attempt"] < 2 or seen["state"] not in {"running", "succeeded"}:
        assert time.monotonic() < began + GIVEN_UP_WITHIN_S, (
            f"attempt 1 of {job} is still believed in"
        )
        time.sleep(0.2)  # until its lease is over and the next one runs
        seen = stack.job(job)
    woken = Woken(frozen, round(time.monotonic() - began, 1), sum(map(_is_there, victims)))
    for each in victims:
        send(each, signal.SIGCONT)
    stack.until_state(job, "succeeded", "failed", within_s=ENDED_WITHIN_S)
    woken.late = _late(stack, job, 1)
    return woken


def _choose(chance: random.Random, n: int) -> list[str]:
    return chance.choices(list(FROZEN), weights=list(FROZEN.values()), k=n)


def _victims(stack: Stack, frozen: str, chance: random.Random) -> list[psutil.Process]:
    drivers, workers = stack.processes("driver"), stack.processes("worker")
    match frozen:
        case "driver":
            return drivers
        case "one worker":
            return [chance.choice(workers)]
        case "all workers":
            return workers
    # Ray's process that started the driver, by way of a shell, comes first: it would kill the others.
    shells = [shell for driver in drivers if (shell := driver.parent())]
    supervisors = [found for shell in shells if (found := shell.parent())]
    return supervisors + stack.processes("controller") + drivers + workers


def _is_there(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _late(stack: Stack, job: str, attempt: int) -> int:
    """Checkpoints that the attempt committed after its outcome was written. Both are on one clock."""
    outcome = collect.outcome_of(stack, job, attempt)
    if outcome is None:
        return 0
    found = [
        checkpoints.read(stack.objects, prefix)
        for prefix in checkpoints.of_attempt(stack.objects, job, attempt)
    ]
    return sum(each.manifest.created_at > outcome.at for each in found)
