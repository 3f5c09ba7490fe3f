"""One message to one receiver. Used by the sender, and by the route that tries a webhook."""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from service.errors import Invalid
from service.webhooks.hosts import AllowedHosts
from service.webhooks.signing import signed

TIMEOUT_S = 10.0
"""For all of it, from the name to the answer: a receiver has nothing to do but to take note."""
SAID_CHARACTERS = 500
"""Of an answer that are kept: enough for a person to see what is wrong."""
READ_BYTES = 4 * SAID_CHARACTERS
"""Of an answer that are read; a character has four at most."""

UNREACHABLE = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""What sending raises; a name that cannot be looked up is a ValueError."""


@dataclass(frozen=True)
class Answer:
    """What a receiver said."""

    status: int | None
    """None: nothing; `said` is why."""
    said: str

    @property
    def taken(self) -> bool:
        return self.status is not None and httpx.codes.is_success(self.status)

    @property
    def error(self) -> str | None:
        """Why it was not taken, if it was not."""
        if self.taken or self.status is None:
            return None if self.taken else self.said
        hint = "redirects are not followed" if httpx.codes.is_redirect(self.status) else self.said
        return f"answered {self.status}: {hint}"[:SAID_CHARACTERS].removesuffix(": ")


@dataclass(frozen=True)
class Messenger:
    """Sends to allowed hosts only, without proxies and without following redirects."""

    hosts: AllowedHosts
    trust: ssl.SSLContext
    """Whose certificates are believed."""
    clock: Callable[[], datetime]
    timeout_s: float = TIMEOUT_S

    async def send(
        self, url: str, message: Mapping[str, Any], *, message_id: str, secret: str
    ) -> Answer:
        """Never raises for what the receiver, or the way to it, does."""
        body = json.dumps(message, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "Residual",
        } | signed(secret, message_id=message_id, at=self.clock(), body=body)
        try:
            self.hosts.check(url)
            async with asyncio.timeout(self.timeout_s):
                return await self._post(url, body, headers)
        except Invalid as refusal:
            return Answer(None, _printable(refusal.message))
        except TimeoutError:
            return Answer(None, f"no answer within {self.timeout_s:g} s")
        except UNREACHABLE as error:
            return Answer(None, _printable(f"not reached: {str(error) or type(error).__name__}"))

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        async with (
            httpx.AsyncClient(verify=self.trust, trust_env=False, timeout=self.timeout_s) as http,
            http.stream("POST", url, content=body, headers=headers) as answer,
        ):
            said = bytearray()
            async for chunk in answer.aiter_raw():
                said += chunk
                if len(said) >= READ_BYTES:
                    break
            text = bytes(said[:READ_BYTES]).decode(errors="replace")
            return Answer(answer.status_code, _printable(text))


def _printable(text: str) -> str:
    """The beginning of a stranger's text, as a database and a terminal take it."""
    shown = "".join(one if one.isprintable() else " " for one in text[:SAID_CHARACTERS])
    return shown.strip()
