"""Deployments as predictions know them: read from the database when something changed, and again before they
are half a second old. Used by `Predictor`."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from anyio import to_thread

from service.deployments.deployment import Deployment
from service.deployments.store import DeploymentStore

FRESH_S = 0.5
"""How old what another process changed may be; this process's own changes are seen at once."""
AGAIN_S = FRESH_S / 2
"""From this age on it is read again beside the requests, so that they do not wait for it: where the event
loop has much to do, a thread is long in reading."""


class Look(NamedTuple):
    """What was read, when, and how many changes this process had made before."""

    deployments: Sequence[Deployment]
    at: float
    changes: int


@dataclass(frozen=True)
class Known:
    """Lives in one event loop."""

    store: DeploymentStore
    clock: Callable[[], float] = time.monotonic
    _looks: dict[str, Look] = field(default_factory=dict)
    _reading: dict[tuple[str, int], asyncio.Task[Look]] = field(default_factory=dict)

    async def of_project(self, project: str, *, anew: bool = False) -> Sequence[Deployment]:
        """By name. `anew`: read after this call, whatever is known."""
        look = self._looks.get(project)
        if anew:
            look = await self._read(project)
        elif look is None or (age := self._age(look)) >= FRESH_S:
            look = await asyncio.shield(self._shared(project))
        elif age >= AGAIN_S:
            self._shared(project)
        return look.deployments

    def _age(self, look: Look) -> float:
        """Seconds; infinite after a change of this process."""
        return self.clock() - look.at if look.changes == self.store.changes.count else math.inf

    def _shared(self, project: str) -> "asyncio.Task[Look]":
        """All that need one project, after the same changes, have one reading."""
        key = project, self.store.changes.count
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read(project))
            task.add_done_callback(lambda task: self._done(key, task))
        return task

    def _done(self, key: tuple[str, int], task: "asyncio.Task[Look]") -> None:
        """A failure is that of whoever waits, if anybody does: the next who needs it reads for himself."""
        self._reading.pop(key, None)
        if not task.cancelled():
            task.exception()

    async def _read(self, project: str) -> Look:
        at, changes = self.clock(), self.store.changes.count  # before, so that none is missed
        found = await to_thread.run_sync(self.store.of_project, project)
        look = Look(found, at, changes)
        self._looks[project] = look
        return look
