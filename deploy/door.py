"""A replica's own door: where the service asks it past Ray Serve's proxy (ADR 30). Used by `app`."""

import asyncio
import hmac
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trainer.contract.doors import HEADER, PORTS, Door

KEPT_S = 90
"""An idle connection. Serve's proxy keeps them for as long."""
ENDS_WITHIN_S = 15
"""What is inside when a replica is to end; Serve kills it after 20 s."""

log = logging.getLogger("ray.serve")  # what Serve keeps of a replica's words

Answer = Callable[[Request], Awaitable[Response]]


class OpenDoor:
    """Lives in the event loop in which it is made."""

    def __init__(self, listening: socket.socket, answer: Answer) -> None:
        host, port = listening.getsockname()[:2]
        self.door = Door(host, port, secrets.token_urlsafe(16))
        self._answer = answer
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            access_log=False,
            log_config=None,
            log_level="warning",
            timeout_keep_alive=KEPT_S,
            timeout_graceful_shutdown=ENDS_WITHIN_S,
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))

    async def close(self) -> None:
        """Who is inside is answered; nobody else comes in."""
        self._server.should_exit = True
        await self._serving

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        key = request.headers.get(HEADER, "")
        if hmac.compare_digest(key.encode(), self.door.key.encode()):
            response = await self._answer(request)
        else:
            response = Response(status_code=401)
        await response(scope, receive, send)


def opened(host: str, answer: Answer, *, ports: Iterable[int] = PORTS) -> OpenDoor | None:
    """A door at `host` on the first of the `ports` that is free; None if none is: the proxy leads in too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports:
        try:
            listening = socket.create_server((host, port), family=family, backlog=2048)
        except OSError:
            continue
        return OpenDoor(listening, answer)
    log.warning(f"no port of {ports} is free at {host}: requests come by Serve's proxy only")
    return None
