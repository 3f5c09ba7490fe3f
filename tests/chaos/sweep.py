"""A sweep of which the search, the trials' drivers and their workers are killed at random, and the same sweep
undisturbed: every trial once, the same weights in each, and the same best."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from service.lifecycle import TERMINAL
from tests.chaos import collect
from tests.chaos.checker import violations
from tests.chaos.faults import Fault, strike
from tests.chaos.history import History, Reference, Struck, Submitted
from tests.chaos.stack import Stack, stack

TRIALS = 16
RATES = [0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]
BODY: dict[str, Any] = {
    "kind": "sweep",
    "name": "swept",
    "arch": "resnet8",
    "dataset": "digits",
    "batch_size": 96,
    "epochs": 4,
    "checkpoint_every": {"steps": 7},
    "workers": 2,
    "cpus_per_worker": 0.5,
    "max_retries": 100,
    "search": {"at_once": 2},
}
VICTIMS = [Fault("driver"), Fault("driver"), Fault("worker")]
"""Drivers are those of the search and of its trials. A third of the kills hits a worker."""
PAUSE_S = (0.5, 10.0)
"""Between two kills."""
LOOK_EVERY_S = 0.2
ENDS_WITHIN_S = 1800.0


def run(
    folder: Path, *, n: int, seed: int, say: Callable[[str], None], trials: int = TRIALS
) -> dict[str, object]:
    """`n` kills under a sweep of `trials` trials. The history lies in `folder`."""
    body = BODY | {"space": {"seed": list(range(2)), "recipe.learning_rate": RATES[: trials // 2]}}
    history = History(folder / "history.jsonl")
    with stack(folder / "undisturbed") as quiet:
        wanted = _ended(quiet, quiet.submit(body))
        history.add(*(_reference(quiet, trial) for trial in _trials(quiet, wanted["id"])))
        expected = _told(quiet, wanted)
        say(f"undisturbed: {len(expected)} trials; {wanted['reason']['message']}")
    with stack(folder / "stack") as running:
        sweep = running.submit(body)
        struck: Counter[str] = Counter()
        for record in _kills(running, sweep, n, random.Random(seed)):
            history.add(record)
            struck[record.fault] += 1
            say(f"{struck.total()} of {n}: {record.fault}")
        found = _ended(running, sweep)
        for trial in _trials(running, sweep):
            job, name = trial["job"], str(trial["number"])
            history.add(Submitted(at=time.time(), key=name, job=job, spec=name))
            history.add(collect.ended(running, job))
        history.add(collect.left(running))
        reported = _told(running, found)
        jobs = Counter(job["kind"] for job in collect.all_jobs(running))
    wrong = violations(history.records) + running.wrong
    if found["state"] != "succeeded":
        wrong.append(f"the sweep ended {found['state']}: {found['reason']['message']}")
    if jobs["train"] != trials:
        wrong.append(f"{trials} trials were trained by {jobs['train']} jobs")
    if reported != expected:
        wrong.append(f"its trials came to {reported}, undisturbed to {expected}")
    if _best(found) != _best(wanted):
        wrong.append(f"the best was {_best(found)}, undisturbed {_best(wanted)}")
    return {
        "trials": len(reported),
        "kills": struck.total(),
        "faults": dict(struck),
        "searches": found["attempt"],
        "best": _best(found),
        "violations": wrong,
    }


def _kills(stack: Stack, sweep: str, n: int, chance: random.Random) -> Iterator[Struck]:
    """So many, as long as the sweep lasts."""
    done = 0
    while done < n:
        time.sleep(chance.uniform(*PAUSE_S))
        fault = chance.choice(VICTIMS)
        while not (record := strike(stack, fault, chance)):
            if stack.job(sweep)["state"] in TERMINAL:
                return
            time.sleep(LOOK_EVERY_S)  # until the next attempt is so far
        done += 1
        yield record


def _ended(stack: Stack, sweep: str) -> dict[str, Any]:
    return stack.until_state(sweep, *TERMINAL, within_s=ENDS_WITHIN_S)


def _trials(stack: Stack, sweep: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.get(f"/jobs/{sweep}/trials")["items"]
    return found


def _reference(stack: Stack, trial: dict[str, Any]) -> Reference:
    job = stack.job(trial["job"])
    sha256 = collect.final_weights(stack, job)
    assert sha256, f"undisturbed trial {trial['number']} is {job['state']}: {job['reason']}"
    steps = job["spec"]["iterations"]
    return Reference(spec=str(trial["number"]), steps=steps, sha256=sha256)


def _told(stack: Stack, sweep: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What its page says of each trial, but which job trained it."""
    told = ("number", "point", "state", "epoch", "lowest")
    return [tuple(trial[name] for name in told) for trial in _trials(stack, sweep["id"])]


def _best(sweep: dict[str, Any]) -> dict[str, Any]:
    """Without its job, which has another id in each run."""
    trial = (sweep["result"] or {}).get("trial") or {}
    return {name: trial[name] for name in trial if name != "job"}
