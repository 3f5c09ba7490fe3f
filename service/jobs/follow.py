"""Streams that go on until a job has ended: its metrics as server-sent events, its log as text. Of a
paused job they stay open.

Each look runs in a thread for a moment; between two looks a client costs no thread.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio
import structlog
from anyio import to_thread
from fastapi.sse import ServerSentEvent

from service.errors import NotFound
from service.jobs.read_schemas import End
from service.jobs.service import Jobs
from service.lifecycle import TERMINAL, State
from trainer.contract.attempts import LogLine, MetricPoint, Split
from trainer.contract.objects.store import StoreUnavailable

LOOK_EVERY_S = 0.5
ENDED = TERMINAL | {None}

Found = TypeVar("Found")

Seen = tuple[State | None, list[Found]]
"""A job's state, and what is new of it; None: the job is not there any more."""

Position = tuple[int, bool]
"""A point's step, and whether it is the step's validation point; points come in this order."""


async def points(
    jobs: Jobs, project: str, job_id: str, *, since: Position, split: Split | None
) -> AsyncIterator[ServerSentEvent]:
    """Every point after `since`, as it is written; then one event `end`."""
    last = since

    def look() -> Seen[MetricPoint]:
        state = jobs.get(project, job_id).state  # first: what is written before the end is seen
        found = jobs.records.metrics(project, job_id, since_step=last[0], split=split)
        return state, [point for point in found if position(point) > last]

    async for state, found in _looks(look):
        for point in found:
            last = position(point)
            yield ServerSentEvent(id=_event_id(point), data=point)
        if state in ENDED:
            yield ServerSentEvent(event="end", data=End(state=state))


async def lines(
    jobs: Jobs, project: str, job_id: str, read: Callable[[], list[LogLine]]
) -> AsyncIterator[bytes]:
    """Every line that `read` finds, as it is written. A writer's own lines stay in their order."""
    shown: Counter[str] = Counter()

    def look() -> Seen[LogLine]:
        state = jobs.get(project, job_id).state
        met: Counter[str] = Counter()
        fresh = []
        for line in read():
            met[line.rank] += 1
            if met[line.rank] > shown[line.rank]:
                fresh.append(line)
        return state, fresh

    async for _, fresh in _looks(look):
        shown.update(line.rank for line in fresh)
        yield text(fresh).encode()


def position(point: MetricPoint) -> Position:
    return point.step, point.split == "val"


def resumed(last_event_id: str | None, since_step: int) -> Position:
    """Where a stream begins: after the last event that a client says it has, or at `since_step`."""
    step, _, split = (last_event_id or "").partition(".")
    if step.isdecimal() and len(step) < 20:
        return int(step), split == "val"
    return since_step - 1, True


def text(found: list[LogLine]) -> str:
    """Lines as people read them."""
    return "".join(
        f"{line.time:%Y-%m-%dT%H:%M:%S.%f}Z {line.level:<7} [{line.rank}] {line.message}\n"
        for line in found
    )


async def _looks(look: Callable[[], Seen[Found]]) -> AsyncIterator[Seen[Found]]:
    """What `look` sees, again and again until the job has ended, or was deleted. A store that is
    away for a while ends nothing."""
    while True:
        try:
            state, found = await to_thread.run_sync(look)
        except StoreUnavailable as error:
            structlog.get_logger().warning("stream_waits", why=str(error))
        except NotFound:
            yield None, []
            return
        else:
            yield state, found
            if state in ENDED:
                return
        await anyio.sleep(LOOK_EVERY_S)


def _event_id(point: MetricPoint) -> str:
    """`120` or `120.val`: a step's two points are two events."""
    return f"{point.step}.val" if point.split == "val" else str(point.step)
