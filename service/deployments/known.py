"""Deployments as predictions know them: read from the database when something changed, and every half second.
Used by `Predictor`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from anyio import to_thread

from service.deployments.deployment import Deployment
from service.deployments.store import DeploymentStore

FRESH_S = 0.5
"""How old what another process changed may be; this process's own changes are seen at once."""


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
        if anew or look is None or self._old(look):
            look = await (self._read(project) if anew else self._shared(project))
        return look.deployments

    def _old(self, look: Look) -> bool:
        return look.changes != self.store.changes.count or self.clock() - look.at >= FRESH_S

    async def _shared(self, project: str) -> Look:
        """All that wait for one project, after the same changes, wait for one reading."""
        key = project, self.store.changes.count
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read(project))
            task.add_done_callback(lambda _: self._reading.pop(key, None))
        return await asyncio.shield(task)

    async def _read(self, project: str) -> Look:
        at, changes = self.clock(), self.store.changes.count  # before, so that none is missed
        found = await to_thread.run_sync(self.store.of_project, project)
        look = Look(found, at, changes)
        self._looks[project] = look
        return look
