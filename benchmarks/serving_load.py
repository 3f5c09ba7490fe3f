"""Closed-loop clients of an HTTP server: each sends its next request when it has its answer.

A process of its own, `python -m benchmarks.serving_load '{"url": …}'`; used by `benchmarks.serving`.
"""

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import aiohttp

REFUSED_PAUSE_S = 1.0
"""What a client that is refused waits, if it heeds nothing, or nothing is said."""
SPREAD = 0.5
"""A client that heeds Retry-After waits longer by up to this part of it: all were refused at once, and are
not to come back at once."""


Answered = tuple[float, float, int]
"""When, after how many seconds, with which status; 0 is none."""


@dataclass(frozen=True)
class Load:
    """What is sent, by how many, for how long."""

    url: str
    body: str
    """Path of a file."""
    clients: int
    seconds: float
    headers: dict[str, str] = field(default_factory=dict)
    warm_s: float = 2.0
    """Not counted, at the start."""
    heeds: bool = False
    """Clients that are refused wait as long as Retry-After says."""
    slow: int = 0
    """More clients, who send a body that never ends: they are not counted, and shall disturb nobody."""


@dataclass(frozen=True)
class Measured:
    """Of the answers that came within the time."""

    per_second: float
    """These three are of the good ones."""
    p50_ms: float
    p99_ms: float
    refused_p50_ms: float
    """How long the others took; 0 if there are none."""
    statuses: dict[str, int]
    cpu_s: float
    """Of the generator itself, a second of measuring: far below 1, or it is the bottleneck."""


async def one_client(
    load: Load,
    session: aiohttp.ClientSession,
    body: bytes,
    until: float,
    seen: list[Answered],
) -> None:
    while (began := time.monotonic()) < until:
        try:
            async with session.post(load.url, data=body) as answer:
                await answer.read()
                status, pause = answer.status, _pause(load, answer)
        except (aiohttp.ClientError, TimeoutError):
            status, pause = 0, REFUSED_PAUSE_S
        ended = time.monotonic()
        seen.append((ended, ended - began, status))
        if status != 200:
            await asyncio.sleep(pause)


def _pause(load: Load, answer: aiohttp.ClientResponse) -> float:
    """Seconds until a client that got this refusal asks again."""
    said = answer.headers.get("Retry-After")
    if not load.heeds or said is None:
        return REFUSED_PAUSE_S
    return float(said) * random.uniform(1, 1 + SPREAD)


async def slow_client(load: Load, session: aiohttp.ClientSession, size: int, until: float) -> None:
    """Sends a piece of its body a second, and begins anew when it is refused."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size):
            if time.monotonic() >= until:
                return
            yield b"\xff"
            await asyncio.sleep(1)

    while time.monotonic() < until:
        headers = {"Content-Length": str(size)}
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(load.url, data=pieces(), headers=headers) as answer:
                await answer.read()
        await asyncio.sleep(REFUSED_PAUSE_S)


async def measured(load: Load) -> Measured:
    with open(load.body, "rb") as file:
        body = file.read()
    seen: list[Answered] = []
    began = time.monotonic()
    start, until = began + load.warm_s, began + load.warm_s + load.seconds
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(
        connector=connector, headers=load.headers, timeout=timeout
    ) as session:
        await asyncio.gather(
            *(slow_client(load, session, len(body), until) for _ in range(load.slow)),
            *(one_client(load, session, body, until, seen) for _ in range(load.clients)),
        )
    within = [(took, status) for ended, took, status in seen if start <= ended <= until]
    good = sorted(took * 1000 for took, status in within if status == 200)
    refused = statistics.median([took * 1000 for took, status in within if status != 200] or [0.0])
    if len(good) < 2:
        return Measured(0.0, 0.0, 0.0, refused, _counted(within), time.process_time())
    cuts = statistics.quantiles(good, n=100, method="inclusive")
    cpu = time.process_time() / (load.warm_s + load.seconds)
    return Measured(len(good) / load.seconds, cuts[49], cuts[98], refused, _counted(within), cpu)


def run(load: Load) -> Measured:
    """In another process, once it has ended."""
    command = [sys.executable, "-m", "benchmarks.serving_load", json.dumps(asdict(load))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout))


def _counted(within: list[tuple[float, int]]) -> dict[str, int]:
    return dict(Counter(str(status) for _, status in within))


def main() -> None:
    load = Load(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(asyncio.run(measured(load)))))


if __name__ == "__main__":
    main()
