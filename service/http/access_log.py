"""The middleware around all the others: names every request, logs it, and answers what nothing else
caught. Only `PlainErrors` is outside, which changes what an answer looks like."""

import re
import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from service.errors import ServiceError
from service.problems import response_to

CLIENTS_OWN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Request ids that a client may choose; any other is replaced."""


@dataclass(frozen=True)
class AccessLog:
    """ASGI middleware. Every answer carries `X-Request-Id`, and so does every line of its log."""

    app: ASGIApp
    clock: Callable[[], float] = time.perf_counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = _request_id(scope)
        log = structlog.get_logger().bind(
            request_id=request_id, method=scope["method"], path=scope["path"]
        )
        began, status = self.clock(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            # Also for what is logged by others meanwhile, and for problems.
            with bound_contextvars(request_id=request_id):
                await self.app(scope, receive, named)
        except Exception:
            # As text: renderers of live tracebacks show local variables, and with them the key.
            log.error("request_failed", traceback=traceback.format_exc())
            if status:
                raise  # the answer has begun: all that is left is to break it off
            await response_to(_unexpected(request_id))(scope, receive, named)
        finally:
            log.info("request", status=status, seconds=round(self.clock() - began, 4))


def _request_id(scope: Scope) -> str:
    said = Headers(scope=scope).get("x-request-id", "")
    return said if CLIENTS_OWN.fullmatch(said) else secrets.token_hex(8)


def _unexpected(request_id: str) -> ServiceError:
    return ServiceError(
        f"The service failed at this request and has logged why under request id {request_id}; "
        "please report it."
    )
