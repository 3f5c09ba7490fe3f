"""Predictions know a change that this process made at once, and another's within half a second."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine

from service.deployments.deployment import PENDING, Deployment, Desired, Replicas
from service.deployments.known import FRESH_S, Known
from service.deployments.store import DeploymentStore
from tests.serving.replicas import AT


@dataclass(frozen=True)
class Counting(DeploymentStore):
    """A store that knows how often it was read."""

    reads: list[str] = field(default_factory=list)

    def of_project(self, project: str) -> list[Deployment]:
        self.reads.append(project)
        return super().of_project(project)


@dataclass
class World:
    ours: Counting
    theirs: DeploymentStore
    """Of another process, on the same database."""
    now: float = 0.0

    def __post_init__(self) -> None:
        self.known = Known(self.ours, lambda: self.now)

    async def names(self, *, anew: bool = False) -> list[str]:
        return [each.name for each in await self.known.of_project("default", anew=anew)]


def ask(store: DeploymentStore, name: str) -> None:
    desired = Desired(version=1, alias=None, replicas=Replicas(min=1, max=1))
    store.ask("default", name, desired, actual=PENDING, at=AT)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(Counting(engine), DeploymentStore(engine))


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(), timeout=60)

    asyncio.run(main())


def test_while_nothing_changes_the_database_is_not_asked(world: World) -> None:
    async def body() -> None:
        ask(world.ours, "digits")
        for _ in range(10):
            assert await world.names() == ["digits"]
        assert len(world.ours.reads) == 1

    run(body)


def test_what_this_process_changes_is_known_at_once(world: World) -> None:
    async def body() -> None:
        assert await world.names() == []
        ask(world.ours, "digits")
        assert await world.names() == ["digits"]
        world.ours.delete("default", "digits")
        assert await world.names() == []

    run(body)


def test_what_another_process_changes_is_known_within_half_a_second(world: World) -> None:
    async def body() -> None:
        assert await world.names() == []
        ask(world.theirs, "digits")
        assert await world.names() == []
        assert await world.names(anew=True) == ["digits"]
        world.theirs.delete("default", "digits")
        world.now += FRESH_S
        assert await world.names() == []

    run(body)


def test_many_that_wait_are_answered_by_one_reading(world: World) -> None:
    async def body() -> None:
        ask(world.ours, "digits")
        found = await asyncio.gather(*(world.names() for _ in range(50)))
        assert found == [["digits"]] * 50
        assert len(world.ours.reads) == 1

    run(body)
