"""Refuses bodies that are too large, before they are read whole. Used by `main`."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import TooLarge
from service.problems import response_to

DRAINED = 64 << 20
"""Bytes of a refused body that are read and forgotten: a client that is still sending would see a
broken connection and not the answer."""


@dataclass(frozen=True)
class BodyLimit:
    """ASGI middleware. Counts what really arrives: a client need not say a Content-Length."""

    app: ASGIApp
    limit: int
    """Bytes."""
    larger: Mapping[str, int]
    """Path prefix → its own limit in bytes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"]
        limit = next((n for start, n in self.larger.items() if path.startswith(start)), self.limit)
        sentence = f"The body of a request to {path} has at most {limit} bytes; send less."
        if _said_length(scope) > limit:
            await _drain(receive)
            return await response_to(TooLarge(sentence))(scope, receive, send)
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > limit:
                if message.get("more_body", False):
                    await _drain(receive)
                raise HTTPException(413, sentence)  # the one exception FastAPI lets through here
            return message

        return await self.app(scope, counted, send)


async def _drain(receive: Receive) -> None:
    arrived, more = 0, True
    while more and arrived < DRAINED:
        message = await receive()
        arrived += len(message.get("body", b""))
        more = message.get("more_body", False)


def _said_length(scope: Scope) -> int:
    said = Headers(scope=scope).get("content-length", "")
    return int(said) if said.isdecimal() and len(said) < 20 else 0
