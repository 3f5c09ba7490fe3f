"""The ways to a version's replicas: to their own doors, or by Ray Serve's proxy. Used by `Predictor`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import httpx

from service.deployments import plan
from service.predict.answers import own_words
from service.predict.doors import Doors, Whose
from service.predict.transport import AiohttpTransport
from trainer.contract.doors import HEADER, WHERE, Door
from trainer.contract.serving import TIMEOUT_HEADER

WAITS_S = 60
TIMEOUT = httpx.Timeout(WAITS_S, connect=5)  # seconds
AT_A_DOOR = httpx.Timeout(WAITS_S, connect=1)
"""There is another way if nobody opens."""


Way = Literal["door", "proxy"]


@dataclass(frozen=True)
class Posted:
    """What is asked of a replica."""

    kind: str
    """Content-Type of the body."""
    body: bytes
    query: Mapping[str, int | str]


@dataclass(frozen=True)
class Ways:
    """Knows no failure but httpx's: what they mean is the predictor's to say."""

    proxy: httpx.AsyncClient
    """Of Ray Serve's HTTP proxy; doors are absolute addresses."""
    doors: Doors = field(default_factory=Doors)
    count: Callable[[Way], None] = lambda _: None
    """Of each question."""

    async def ask(self, whose: Whose, posted: Posted, *, steady: int) -> httpx.Response:
        """One of the version's replicas, of which there are always `steady`; with 0, their number follows the
        load. Raises httpx.HTTPError."""
        with self.doors.one_of(whose, steady) as door:
            answer = await self._at(door, whose, posted) if door else None
        if answer is None:
            self.count("proxy")
            answer = await self._post("", whose, posted, WHERE, TIMEOUT)
            if steady and (said := answer.headers.get(HEADER)):
                self.doors.hear(whose, said)
        return answer

    async def close(self) -> None:
        await self.proxy.aclose()

    async def _at(self, door: Door, whose: Whose, posted: Posted) -> httpx.Response | None:
        """The replica's own words; None, if there is nobody to say them. Raises httpx.ReadTimeout."""
        self.count("door")
        shut = False
        try:
            answer = await self._post(door.url, whose, posted, door.key, AT_A_DOOR)
            if own_words(answer):
                self.doors.prove(whose, door)
                return answer
        except httpx.ReadTimeout:
            self.doors.forget(whose, door, shut=False)
            raise
        except httpx.HTTPError as error:
            shut = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        self.doors.forget(whose, door, shut=shut)
        return None

    async def _post(
        self, base: str, whose: Whose, posted: Posted, door: str, timeout: httpx.Timeout
    ) -> httpx.Response:
        headers = {
            # Nothing is computed that nobody waits for.
            TIMEOUT_HEADER.encode(): b"%d" % WAITS_S,
            HEADER.encode(): door.encode(),
            b"content-type": posted.kind.encode("latin-1"),  # as it came, whatever it says
        }
        return await self.proxy.post(
            base + plan.predict_route(*whose),
            content=posted.body,
            params=dict(posted.query),
            headers=headers,
            timeout=timeout,
        )


def connect(address: str, count: Callable[[Way], None]) -> Ways:
    """To the replicas behind Ray Serve's HTTP proxy; nothing is asked of it yet."""
    # The proxy closes idle connections after 90 s; one that it may be closing is not used.
    transport = AiohttpTransport(keepalive_expiry=30)
    client = httpx.AsyncClient(base_url=address, timeout=TIMEOUT, transport=transport)
    return Ways(client, count=count)
