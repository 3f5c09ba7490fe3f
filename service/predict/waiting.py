"""A question to a version that is taken away before it answers. Used by `service`.

Requests that wait for a replica, when all of a version's have died, wait in Ray Serve's proxy. If another
version takes over meanwhile, they go on waiting there: until their time is over, or the version is back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx

LOOKS_EVERY_S = 1.0
"""While a question is not answered."""
ENDS_WITHIN_S = 5
"""Seconds that a version that is taken away has for what it still computes."""


class TakenAway(httpx.TransportError):
    """The version that was asked serves no more, and has said nothing."""


async def while_serving(
    asking: Coroutine[Any, Any, httpx.Response], serves: Callable[[], Awaitable[bool]]
) -> httpx.Response:
    """What `asking` gives, as long as whoever is asked `serves`. Raises TakenAway, and what the two raise."""
    question, gone_s = asyncio.ensure_future(asking), 0.0
    try:
        while not (await asyncio.wait({question}, timeout=LOOKS_EVERY_S))[0]:
            gone_s = 0.0 if await serves() else gone_s + LOOKS_EVERY_S
            if gone_s >= ENDS_WITHIN_S:
                raise TakenAway("the version that was asked serves no more")
        return question.result()
    finally:
        question.cancel()
