"""A replica's own door, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from deploy.door import OpenDoor, opened
from service.predict.transport import AiohttpTransport
from trainer.contract.doors import HEADER, PORTS

IMAGE = b"\x00image" * 40_000


@dataclass
class Replica:
    """Whose door it is."""

    seen: list[bytes] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request) -> Response:
        self.seen.append(await request.body())
        self.entered.set()
        await self.may_answer.wait()
        return Response(request.url.query, media_type="application/json")


@asynccontextmanager
async def knocking(replica: Replica) -> AsyncIterator[tuple[OpenDoor, httpx.AsyncClient]]:
    found = opened("127.0.0.1", replica.answer)
    assert found
    client = httpx.AsyncClient(
        base_url=found.door.url, timeout=10, transport=AiohttpTransport(keepalive_expiry=30)
    )
    async with client:
        try:
            yield found, client
        finally:
            await found.close()


async def listens(found: OpenDoor) -> bool:
    try:
        _, writer = await asyncio.open_connection(found.door.host, found.door.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


def test_whoever_has_the_key_is_answered() -> None:
    async def ask() -> None:
        replica = Replica()
        replica.may_answer.set()
        async with knocking(replica) as (found, client):
            assert found.door.port in PORTS
            headers = {HEADER: found.door.key}
            for _ in range(2):
                answer = await client.post("/a?top_k=5", content=IMAGE, headers=headers)
                assert (answer.status_code, answer.text) == (200, "top_k=5")
        assert replica.seen == [IMAGE] * 2

    asyncio.run(ask())


@pytest.mark.parametrize("key", [None, "", "another", "ü"])
def test_nobody_else_is(key: str | None) -> None:
    async def ask() -> None:
        replica = Replica()
        async with knocking(replica) as (_, client):
            headers = {} if key is None else {HEADER.encode(): key.encode("latin-1")}
            answer = await client.post("/", content=IMAGE, headers=headers)
            assert answer.status_code == 401
        assert replica.seen == []

    asyncio.run(ask())


def test_two_doors_have_ports_and_keys_of_their_own() -> None:
    async def ask() -> None:
        replica = Replica()
        async with knocking(replica) as (one, _), knocking(replica) as (other, client):
            assert one.door.port != other.door.port
            answer = await client.post("/", content=b"", headers={HEADER: one.door.key})
            assert answer.status_code == 401

    asyncio.run(ask())


def test_who_is_inside_when_a_door_closes_is_answered_and_nobody_comes_after() -> None:
    async def ask() -> None:
        replica = Replica()
        async with knocking(replica) as (found, client):
            headers = {HEADER: found.door.key}
            question = asyncio.create_task(client.post("/", content=IMAGE, headers=headers))
            await replica.entered.wait()
            closing_it = asyncio.create_task(found.close())
            async with asyncio.timeout(10):
                while await listens(found):
                    await asyncio.sleep(0.05)
            assert not closing_it.done()
            replica.may_answer.set()
            assert (await question).status_code == 200
            await closing_it
            with pytest.raises(httpx.ConnectError):
                await client.post("/", content=IMAGE, headers=headers)

    asyncio.run(ask())


def test_without_a_free_port_there_is_no_door() -> None:
    async def ask(port: int) -> None:
        assert opened("127.0.0.1", Replica().answer, ports=[port]) is None

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        asyncio.run(ask(taken.getsockname()[1]))
