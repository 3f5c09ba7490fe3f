"""How long the service takes to be itself again: the API until it answers, a job until its next step, after
a worker or all of Ray was killed."""

import random
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from service.local.processes import mark_of, marked
from tests.chaos import collect
from tests.chaos.cancels import LONG
from tests.chaos.faults import kill
from tests.chaos.figures import percentile
from tests.chaos.stack import Stack, stack

BODY = LONG | {"max_retries": 100, "checkpoint_every": {"steps": 20}}
NEXT_STEP_WITHIN_S = 300.0
LOOK_EVERY_S = 0.2


def run(folder: Path, *, n: int, seed: int, say: Callable[[str], None]) -> dict[str, object]:
    """`n` times each. Every worker and every Ray is killed under a job of its own: that a second failure of
    a job waits on purpose is not counted."""
    chance = random.Random(seed)
    api: list[float] = []
    worker: list[float] = []
    head: list[float] = []
    with stack(folder / "stack") as running:
        for _ in range(n):
            running.kill_api()
            api.append(running.restart_api())
            say(f"API answers after {api[-1]:.1f} s")
        for _ in range(n):
            worker.append(_next_step(running, chance, _kill_worker))
            say(f"next step {worker[-1]:.1f} s after a worker was killed")
        for _ in range(n):
            head.append(_next_step(running, chance, _kill_ray))
            say(f"next step {head[-1]:.1f} s after Ray was killed")
    named = {"api": api, "worker": worker, "ray": head}
    figures = {
        f"{name}_p{percent}_s": percentile(seconds, percent)
        for name, seconds in named.items()
        for percent in (50, 95)
    }
    return figures | {"violations": []}


def _next_step(
    stack: Stack, chance: random.Random, strike: Callable[[Stack, random.Random], None]
) -> float:
    """Seconds from the fault until a client can read a step that was made after it."""
    job = stack.submit(BODY)
    while newest(stack, job) is None or not stack.get(f"/jobs/{job}/checkpoints")["items"]:
        time.sleep(LOOK_EVERY_S)
    at, began = datetime.now().astimezone(), time.monotonic()
    strike(stack, chance)
    while (made := newest(stack, job)) is None or made <= at:
        assert time.monotonic() < began + NEXT_STEP_WITHIN_S, f"{job} makes no step any more"
        time.sleep(LOOK_EVERY_S)
    took = time.monotonic() - began
    stack.ask("POST", f"/jobs/{job}/cancel").raise_for_status()
    stack.until_state(job, "cancelled")
    collect.left(stack)
    return took


def newest(stack: Stack, job: str) -> datetime | None:
    """When the newest step that a client can read was made."""
    step = (stack.job(job)["progress"] or {}).get("step", 0)
    points = stack.get(f"/jobs/{job}/metrics", params={"since_step": step, "split": "train"})
    times = [datetime.fromisoformat(point["time"]) for point in points["points"]]
    return max(times, default=None)


def _kill_worker(stack: Stack, chance: random.Random) -> None:
    kill(chance.choice(stack.processes("worker")))


def _kill_ray(stack: Stack, chance: random.Random) -> None:
    """Everything that the service started, as if the machine that Ray runs on were gone."""
    for each in marked(mark_of(stack.data_dir)):
        kill(each)
