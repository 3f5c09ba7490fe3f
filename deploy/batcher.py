"""Requests that wait for one engine, in batches that nobody waits for. Pure asyncio, used by `app`.

Whatever waits when the engine is free is its next batch: a lone request starts at once, and the busier the
engine, the larger its batches become by themselves.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Answer = TypeVar("Answer")
Observe = Callable[[str, float], None]
"""Is told a stage (decode, queue or compute) and the seconds that a request spent in it."""


class Full(Exception):
    """As many images as are allowed are inside. `retry_after_s` says when there should be room."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("the model has as many requests as it can take")
        self.retry_after_s = retry_after_s


class TooLate(Exception):
    """The request's deadline passed before it was computed; it was not."""


@dataclass(frozen=True)
class Limits:
    """In images, whatever requests they came with. One request may exceed either when it is alone."""

    batch: int
    """Computed at once."""
    inside: int
    """Decoded, waiting or computed; more are refused at once."""


@dataclass
class _Waiting(Generic[Ready, Answer]):
    ready: Ready
    images: int
    deadline: float | None
    answer: "asyncio.Future[Answer]"
    since: float


class Batcher(Generic[Item, Ready, Answer]):
    """Takes requests from any number of tasks of one event loop."""

    def __init__(
        self,
        prepare: Callable[[Item], Awaitable[Ready]],
        compute: Callable[[Sequence[Ready]], Awaitable[Sequence[Answer]]],
        limits: Limits,
        *,
        observe: Observe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`prepare` runs beside `compute`, for several at once; `compute` is never called again
        before it has answered."""
        self._prepare, self._compute, self._limits = prepare, compute, limits
        self._observe, self._clock = observe, clock
        self._waiting: deque[_Waiting[Ready, Answer]] = deque()
        self._inside = 0
        self._seconds_an_image = 0.0
        self._working: asyncio.Task[None] | None = None

    def check(self, images: int) -> None:
        """Raises Full when there is no room for so many."""
        if self._inside and self._inside + images > self._limits.inside:
            raise Full(max(1, math.ceil(self._inside * self._seconds_an_image)))

    async def ask(self, item: Item, *, images: int, deadline: float | None = None) -> Answer:
        """The answer to `item`, which has so many `images`; `deadline` is a time of the clock.

        A task that is cancelled is not computed. Raises Full, TooLate and what `prepare` and `compute` raise.
        """
        self.check(images)
        self._inside += images
        try:
            began = self._clock()
            ready = await self._prepare(item)
            now = self._clock()
            self._observe("decode", now - began)
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._waiting.append(_Waiting(ready, images, deadline, answer, now))
            if self._working is None or self._working.done():
                self._working = asyncio.create_task(self._work())
            return await answer
        finally:
            self._inside -= images

    async def _work(self) -> None:
        """Compute batch after batch until nobody waits."""
        while batch := self._next():
            began = self._clock()
            for each in batch:
                self._observe("queue", began - each.since)
            try:
                answers = await self._compute([each.ready for each in batch])
            except Exception as error:  # noqa: BLE001 - whoever asked gets it, whatever it is
                for each in batch:
                    if not each.answer.done():
                        each.answer.set_exception(error)
                continue
            took = self._clock() - began
            self._seconds_an_image = took / sum(each.images for each in batch)
            for each, answer in zip(batch, answers, strict=True):
                self._observe("compute", took)
                if not each.answer.done():
                    each.answer.set_result(answer)

    def _next(self) -> "list[_Waiting[Ready, Answer]]":
        """The next batch, in the order of arrival. Who left or is too late has no place in it."""
        batch: list[_Waiting[Ready, Answer]] = []
        while self._waiting:
            first = self._waiting[0]
            late = first.deadline is not None and self._clock() >= first.deadline
            if not first.answer.done() and late:
                first.answer.set_exception(TooLate("its deadline passed before it was computed"))
            if not first.answer.done():
                images = sum(each.images for each in batch)
                if batch and images + first.images > self._limits.batch:
                    break
                batch.append(first)
            self._waiting.popleft()
        return batch
