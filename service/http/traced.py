"""The middleware that tells of requests that change a job, and of those that their caller traces."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from service.http.measured import NO_ROUTE
from service.tracing import spans
from service.tracing.spans import Asked, Place, Span

READS = frozenset({"GET", "HEAD", "OPTIONS"})
MADE = re.compile(r"/jobs/([a-z0-9-]+)$")
"""Where a new job is, as `Location` says."""


@dataclass(frozen=True)
class Traced:
    """ASGI middleware. A request whose `traceparent` says so is a span of its caller's trace, and linked to
    the job; any other that changes a job is one of the job's trace."""

    app: ASGIApp
    over: Callable[[Span], None]
    clock: Callable[[], datetime]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        asked = spans.asked(Headers(scope=scope).get("traceparent", ""))
        if asked is None and scope["method"] in READS:
            return await self.app(scope, receive, send)
        began, span = self.clock(), secrets.token_hex(8)
        status, made = 500, None

        async def seen(message: Message) -> None:
            nonlocal status, made
            if message["type"] == "http.response.start":
                status = message["status"]
                made = MADE.search(Headers(raw=message["headers"]).get("location", ""))
            await send(message)

        bound = {"trace_id": asked.place.trace, "span_id": span} if asked else {}
        try:
            with bound_contextvars(**bound):
                return await self.app(scope, receive, seen)
        finally:
            job = made[1] if made else scope.get("path_params", {}).get("job_id")
            stands = _stands(asked, spans.place(job) if job and status < 400 else None, span)
            if stands:
                route = getattr(scope.get("route"), "path", NO_ROUTE)
                self.over(
                    Span(
                        name=f"{scope['method']} {route}",
                        place=stands.place,
                        parent=stands.parent,
                        start=began,
                        end=self.clock(),
                        attributes={
                            "http.request.method": scope["method"],
                            "http.route": route,
                            "http.response.status_code": status,
                        },
                        links=stands.links,
                        error=f"answered {status}" if status >= 500 else None,
                        kind="server",
                    )
                )


class Stands(NamedTuple):
    """Where a request's span belongs."""

    place: Place
    parent: str
    links: tuple[Place, ...]


def _stands(asked: Asked | None, job: Place | None, span: str) -> Stands | None:
    """`job` is the root of what the request changed, or read. None: nobody wants to know."""
    if asked is not None:
        here = Place(asked.place.trace, span)
        return Stands(here, asked.place.span, (job,) if job else ()) if asked.sampled else None
    return Stands(Place(job.trace, span), job.span, ()) if job else None
