"""The middleware that counts requests by the template of their route. Outside of the access log, so that it
sees every answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics.instruments import Instruments

NO_ROUTE = "none"
"""Paths that lead nowhere, and requests without a key: a stranger's paths are no labels."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class Measured:
    """ASGI middleware."""

    app: ASGIApp
    instruments: Instruments
    timer: Callable[[], float] = time.perf_counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = self.timer()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], self.timer() - began)
            await send(message)

        return await self.app(scope, receive, counted)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.instruments.requests.labels(route, method, str(status)).inc()
        self.instruments.request_seconds.labels(route, method).observe(seconds)
