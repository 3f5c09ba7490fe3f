"""Experiment: many keys, each sent by several clients at once, with the API killed now and then. Each key
must make one job, whoever asks how often. Run by `python -m tests.chaos` and by `test_idempotency`."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.stack import ASK_AGAIN_S, Database, Stack, stack

CLIENTS = 8
KILLS = 10
LEAST_BETWEEN_KILLS = 10
"""Keys."""
LONGEST_POSTS_S = 0.1
"""The eight answers to a key come within so long: the API is killed in the middle of them."""
BACK_WITHIN_S = 120.0
BODY = {"arch": "resnet8", "dataset": "digits", "workers": 64, "gpus_per_worker": 0}
"""Too large for the cluster: nothing starts, and the machine has time to answer."""


@dataclass
class Result:
    keys: int
    requests: int = 0
    """Sent, those that were not answered among them."""
    kills: int = 0
    jobs: int = 0
    """That the service lists in the end."""
    seconds: int = 0
    violations: list[str] = field(default_factory=list)


def run(
    folder: Path,
    *,
    n: int,
    seed: int,
    say: Callable[[str], None],
    database: Database = "sqlite",
) -> dict[str, object]:
    """`n` keys × 8 clients. The API is killed ten times, or after each ten keys."""
    chance, result, began = random.Random(seed), Result(keys=n), time.monotonic()
    every = max(LEAST_BETWEEN_KILLS, n // KILLS)
    with stack(folder, database=database) as running, ThreadPoolExecutor(CLIENTS) as clients:
        ids: set[str] = set()
        for number in range(1, n + 1):
            killer = None
            if number % every == 0:
                killer = _kill_after(running, chance.uniform(0, LONGEST_POSTS_S))
                result.kills += 1
                say(f"{number} of {n} keys, {result.kills} kills")
            ids |= _claim(running, clients, f"key-{seed}-{number}", number, result)
            if killer:
                killer.join()
        result.jobs = len(_listed(running))
        if _listed(running) != ids:
            result.violations.append("the jobs that are listed are not those that were answered")
    if result.jobs != n:
        result.violations.append(f"{result.jobs} jobs for {n} keys")
    result.seconds = round(time.monotonic() - began)
    return asdict(result)


def _claim(
    running: Stack, clients: ThreadPoolExecutor, key: str, number: int, result: Result
) -> set[str]:
    """Send a key by all clients at once; the ids that were answered."""
    together = threading.Barrier(CLIENTS)
    sent = [clients.submit(_post, running, key, number, together) for _ in range(CLIENTS)]
    answers = [each.result() for each in sent]
    result.requests += sum(tries for _, tries in answers)
    bodies = {answer.text for answer, _ in answers}
    if {answer.status_code for answer, _ in answers} != {201} or len(bodies) != 1:
        result.violations.append(f"{key}: {sorted(bodies)}")
    return {str(answer.json().get("id")) for answer, _ in answers}


def _post(
    running: Stack, key: str, number: int, together: threading.Barrier
) -> tuple[httpx.Response, int]:
    """The answer, however often it takes to get one, and how often it took."""
    together.wait()
    headers, body = {"Idempotency-Key": key}, BODY | {"seed": number}
    deadline, tries = time.monotonic() + BACK_WITHIN_S, 0
    while True:
        tries += 1
        try:
            answer = running.api.post("/jobs", json=body, headers=headers)
            if answer.status_code != 503:
                return answer, tries
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"no answer to {key}:\n{running.log()[-2000:]}"
        time.sleep(ASK_AGAIN_S)  # between two tries, as a client would


def _kill_after(running: Stack, seconds: float) -> threading.Timer:
    """Kill the API in a moment, and start it again."""

    def kill() -> None:
        running.kill_api()
        running.restart_api()

    timer = threading.Timer(seconds, kill)
    timer.start()
    return timer


def _listed(running: Stack) -> set[str]:
    met: set[str] = set()
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = running.get("/jobs", params={"limit": 500} | cursor)
        met |= {job["id"] for job in page["items"]}
    return met
