"""The outermost middleware: failures under /v2 in the shape that the Open Inference Protocol has for
them. Used by `main`."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainer.contract.problems import MEDIA_TYPE


class ErrorOut(BaseModel):
    """What every failure under /v2 looks like."""

    error: str = Field(examples=["Model 'fashion' is not deployed."])


def is_here(path: str) -> bool:
    return path == "/v2" or path.startswith("/v2/")


def plain(problem: dict[str, Any]) -> dict[str, str]:
    """A problem as the protocol writes it; status and headers say the rest."""
    return {"error": problem["detail"]}


@dataclass(frozen=True)
class PlainErrors:
    """ASGI middleware: whatever inside answers with a problem, the client gets `{"error": …}`."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_here(scope["path"]):
            return await self.app(scope, receive, send)
        begun: Message | None = None  # the start of a problem, held back until its text is known

        async def translated(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                if MutableHeaders(scope=message).get("content-type") == MEDIA_TYPE:
                    begun = message
                    return
            elif begun is not None:
                # Problems are written in one piece.
                body = json.dumps(plain(json.loads(message["body"]))).encode()
                headers = MutableHeaders(scope=begun)
                headers["content-type"] = "application/json"
                headers["content-length"] = str(len(body))
                message = {"type": "http.response.body", "body": body}
                await send(begun)
                begun = None
            await send(message)

        return await self.app(scope, receive, translated)
