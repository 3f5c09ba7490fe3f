"""What the way to a replica costs the service, by library: `python -m benchmarks.replica_hop`.

CPU time of the asking process alone, for each POST of a photograph's size to a server on this machine that
reads the body and answers 400 bytes. Side by side, in turns.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import httpx

from benchmarks.machine import header
from service.predict.transport import AiohttpTransport

BODY_BYTES = 197_000
SERVER = """
import sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"400")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * 400})

class Told(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)

Told(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error")).run()
"""

Ask = Callable[[], Awaitable[object]]


async def milliseconds(ask: Ask, *, times: int, at_once: int) -> float:
    """Of this process's CPU, a request."""
    began = time.process_time()
    for _ in range(times // at_once):
        await asyncio.gather(*(ask() for _ in range(at_once)))
    return (time.process_time() - began) * 1000 / (times // at_once * at_once)


async def compare(port: int, rounds: int, times: int) -> dict[str, dict[int, list[float]]]:
    """By way and by how many requests are on it at once: a figure for each round."""
    body, url = os.urandom(BODY_BYTES), f"http://127.0.0.1:{port}/a/b/1/predict"
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=60))
        ours = await stack.enter_async_context(
            httpx.AsyncClient(transport=AiohttpTransport(keepalive_expiry=30), timeout=60)
        )
        bare = await stack.enter_async_context(aiohttp.ClientSession())

        async def by_httpx(client: httpx.AsyncClient) -> None:
            (await client.post(url, content=body, params={"top_k": 5})).raise_for_status()

        async def by_aiohttp() -> None:
            async with bare.post(url, data=body, params={"top_k": 5}) as answer:
                await answer.read()

        ways: dict[str, Ask] = {
            "httpx": lambda: by_httpx(plain),
            "httpx over aiohttp's connections": lambda: by_httpx(ours),
            "aiohttp": by_aiohttp,
        }
        found: dict[str, dict[int, list[float]]] = {way: {1: [], 32: []} for way in ways}
        for _ in range(rounds):
            for way, ask in ways.items():
                for at_once, figures in found[way].items():
                    figures.append(await milliseconds(ask, times=times, at_once=at_once))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--times", type=int, default=320, help="requests of each kind a round")
    asked = parser.parse_args()
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            found = asyncio.run(compare(port, asked.rounds + 1, asked.times))
        finally:
            server.kill()
    print(f"{header()}, httpx {httpx.__version__}, aiohttp {aiohttp.__version__}")
    print(f"n = {asked.rounds} rounds of {asked.times} requests, median\n")
    print("| ms of CPU a request | one at a time | 32 at once |\n|---|---|---|")
    for way, figures in found.items():
        row = (f"{statistics.median(each[1:]):.2f}" for each in figures.values())  # the first warms
        print(f"| {way} | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
