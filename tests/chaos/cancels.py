"""How long it takes from the request to cancel a job until nothing of it is left: at random moments of its
life, with a worker that was stopped among them."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.faults import send
from tests.chaos.figures import percentile
from tests.chaos.history import History, Submitted
from tests.chaos.stack import Stack, stack
from tests.waiting import until

LONG: dict[str, Any] = {
    "arch": "resnet8",
    "dataset": "digits",
    "workers": 2,
    "cpus_per_worker": 0.5,
    "batch_size": 64,
    "iterations": 1_000_000,
    "checkpoint_every": {"steps": 50},
}
"""It does not end by itself."""

MOMENTS = {"queued": 1, "starting": 3, "running": 4, "frozen worker": 3, "frozen driver": 1}
"""When a job is cancelled, of twelve times."""
PROMISED_S = 10.0
GIVEN_UP_S = 60.0
"""After so long the job counts as stuck."""
LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Cancelled:
    moment: str
    seconds: float
    """Until its state said so, no process of it was left, and no CPU was reserved."""


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` cancels, one job at a time."""
    chance, history = random.Random(seed), History(folder / "history.jsonl")
    took: list[Cancelled] = []
    with stack(folder / "stack") as running:
        moments = chance.choices(list(MOMENTS), weights=list(MOMENTS.values()), k=n)
        for number, moment in enumerate(moments, 1):
            key = f"cancel-{number}"
            job = running.submit(LONG | {"name": key}, key=key)
            history.add(Submitted(at=time.time(), key=key, job=job, spec="long"))
            _bring_to(running, job, moment, chance)
            took.append(Cancelled(moment, _cancel(running, job)))
            history.add(collect.ended(running, job))
            say(f"{number} of {n}: {moment}, {took[-1].seconds:.1f} s")
        history.add(collect.left(running))
    seconds = [each.seconds for each in took]
    return {
        "moments": dict(Counter(each.moment for each in took)),
        "p50_s": percentile(seconds, 50),
        "p99_s": percentile(seconds, 99),
        "most_s": percentile(seconds, 100),
        "over_10_s": [
            f"{each.moment} {each.seconds:.1f}" for each in took if each.seconds > PROMISED_S
        ],
        "violations": violations(history.records),
    }


def _bring_to(stack: Stack, job: str, moment: str, chance: random.Random) -> None:
    """Wait until the job is where it is to be cancelled."""
    if moment == "queued":
        return
    if moment == "starting":
        stack.until_state(job, "starting", "running")
        time.sleep(chance.uniform(0, 12))
        return
    until(
        lambda: (stack.job(job)["progress"] or {}).get("step"),
        within_s=GIVEN_UP_S,
        every_s=LOOK_EVERY_S,
    )
    time.sleep(chance.uniform(0, 3))
    if moment.startswith("frozen"):
        victims = stack.processes("worker" if moment == "frozen worker" else "driver")
        send(chance.choice(victims), signal.SIGSTOP)


def _cancel(stack: Stack, job: str) -> float:
    """Seconds until nothing of it is left; GIVEN_UP_S when something stays."""
    began = time.monotonic()
    stack.ask("POST", f"/jobs/{job}/cancel").raise_for_status()
    while (spent := time.monotonic() - began) < GIVEN_UP_S:
        if stack.job(job)["state"] == "cancelled" and collect.is_quiet(stack):
            return spent
        time.sleep(LOOK_EVERY_S)
    return GIVEN_UP_S
