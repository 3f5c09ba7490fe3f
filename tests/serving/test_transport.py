"""The connections to replicas, to servers that behave well or badly on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from service.predict.transport import AiohttpTransport

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: a\r\nX-Seen: b\r\n\r\nok"
AT_ONCE = 300

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Met:
    """What a server saw."""

    connections: int = 0
    requests: int = 0
    last: bytes = b""


@asynccontextmanager
async def asking(serve: Serve, *, read: float = 5) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that does `serve` for each connection."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        timeout=httpx.Timeout(read, connect=5),
        transport=AiohttpTransport(keepalive_expiry=30),
    )
    async with server, client:
        yield client


async def received(reader: asyncio.StreamReader) -> bytes:
    """A request, head and body. Raises IncompleteReadError at the connection's end."""
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [
        int(line.split(b":")[1])
        for line in head.splitlines()
        if line.lower().startswith(b"content-length:")
    ]
    return head + await reader.readexactly(length)


def well(met: Met, *, together: asyncio.Barrier | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.connections += 1
        while True:
            try:
                met.last = await received(reader)
            except asyncio.IncompleteReadError:
                break
            met.requests += 1
            if together:
                await together.wait()
            writer.write(ANSWER)
        writer.close()

    return serve


def test_a_request_arrives_as_it_is_and_its_connection_is_used_again() -> None:
    async def twice(met: Met) -> None:
        async with asking(well(met)) as client:
            for _ in range(2):
                answer = await client.post(
                    "/a%2Fb/predict",
                    content=b"\x00image",
                    params={"top_k": 5},
                    headers={b"content-type": b"image/png", b"X-Mine": b"1"},
                )
                assert (answer.status_code, answer.content) == (200, b"ok")
                assert answer.headers.get_list("x-seen") == ["a", "b"]

    met = Met()
    asyncio.run(twice(met))
    assert (met.connections, met.requests) == (1, 2)
    assert met.last.startswith(b"POST /a%2Fb/predict?top_k=5 HTTP/1.1\r\n")
    assert met.last.endswith(b"\r\n\r\n\x00image")
    head = met.last.lower()
    assert b"content-type: image/png\r\n" in head
    assert b"x-mine: 1\r\n" in head
    assert head.count(b"content-length:") == head.count(b"host:") == 1


def test_no_request_waits_for_the_connection_of_another() -> None:
    """The server answers none before all are there."""

    async def at_once(met: Met) -> None:
        together = asyncio.Barrier(AT_ONCE)
        async with asking(well(met, together=together), read=30) as client:
            answers = await asyncio.gather(
                *(client.post("/", content=b"x") for _ in range(AT_ONCE))
            )
        assert all(answer.is_success for answer in answers)

    met = Met()
    asyncio.run(at_once(met))
    assert met.connections == AT_ONCE


async def dies_before(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await received(reader)
    writer.close()


async def dies_within(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await received(reader)
    writer.write(ANSWER[:-1])
    await writer.drain()
    writer.close()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await received(reader)
    writer.transport.abort()


async def talks_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await received(reader)
    writer.write(b"\x00\x01\x02 nonsense\r\n\r\n")


async def is_slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await received(reader)
    await asyncio.sleep(5)


async def is_slow_within(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await received(reader)
    writer.write(ANSWER[:-1])
    await asyncio.sleep(5)


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (dies_before, httpx.RemoteProtocolError),
        (dies_within, httpx.RemoteProtocolError),
        (resets, httpx.TransportError),
        (talks_nonsense, httpx.TransportError),
        (is_slow, httpx.ReadTimeout),
        (is_slow_within, httpx.ReadTimeout),
    ],
)
def test_failures_are_called_what_httpx_calls_them(
    serve: Serve, failure: type[httpx.TransportError]
) -> None:
    async def ask() -> None:
        async with asking(serve, read=0.3) as client:
            await client.post("/", content=b"x" * 200_000)

    with pytest.raises(failure) as raised:
        asyncio.run(ask())
    is_slow = issubclass(failure, httpx.TimeoutException)
    assert isinstance(raised.value, httpx.TimeoutException) == is_slow


def test_a_server_that_is_not_there_refuses() -> None:
    async def ask() -> None:
        async with asking(dies_before) as client:
            address = client.base_url
        gone = httpx.AsyncClient(
            base_url=address, transport=AiohttpTransport(keepalive_expiry=30), timeout=5
        )
        async with gone:
            await gone.post("/", content=b"x")

    with pytest.raises(httpx.ConnectError):
        asyncio.run(ask())
