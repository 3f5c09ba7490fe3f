"""Predictions know a change that this process made at once, and another's within half a second."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from threading import Event

import pytest
from sqlalchemy import Engine

from service.deployments.deployment import PENDING, Deployment, Desired, Replicas
from service.deployments.known import AGAIN_S, FRESH_S, Known
from service.deployments.store import DeploymentStore
from tests.serving.replicas import AT


@dataclass(frozen=True)
class Counting(DeploymentStore):
    """A store that knows how often it was read."""

    reads: list[str] = field(default_factory=list)
    may: Event = field(default_factory=Event)
    """Set, unless a reading is to take until it is."""

    def of_project(self, project: str) -> list[Deployment]:
        self.reads.append(project)
        assert self.may.wait(60)
        return super().of_project(project)


@dataclass
class World:
    ours: Counting
    theirs: DeploymentStore
    """Of another process, on the same database."""
    now: float = 0.0

    def __post_init__(self) -> None:
        self.ours.may.set()
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


def test_it_is_read_again_before_it_is_old_and_nobody_waits_for_that(world: World) -> None:
    async def body() -> None:
        assert await world.names() == []
        ask(world.theirs, "digits")
        world.ours.may.clear()
        world.now += AGAIN_S
        assert [await world.names() for _ in range(20)] == [[]] * 20
        world.ours.may.set()
        while await world.names() != ["digits"]:
            await asyncio.sleep(0.01)
        assert world.ours.reads == ["default"] * 2

    run(body)


def test_who_asks_while_it_is_too_old_waits_for_the_reading_that_is_under_way(world: World) -> None:
    async def body() -> None:
        assert await world.names() == []
        ask(world.theirs, "digits")
        world.ours.may.clear()
        world.now += AGAIN_S
        assert await world.names() == []
        world.now += FRESH_S - AGAIN_S
        waits = asyncio.create_task(world.names())
        assert (await asyncio.wait({waits}, timeout=0.1))[0] == set()
        world.ours.may.set()
        assert await waits == ["digits"]
        assert world.ours.reads == ["default"] * 2

    run(body)


def test_a_reading_beside_requests_that_fails_is_nobodys_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Counting, project: str) -> list[Deployment]:
        raise RuntimeError(project)

    async def body() -> None:
        unheard: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
        assert await world.names() == []
        world.now += AGAIN_S
        monkeypatch.setattr(Counting, "of_project", fail)
        assert await world.names() == []
        while world.known._reading:
            await asyncio.sleep(0.01)
        gc.collect()
        assert unheard == []
        world.now += FRESH_S
        with pytest.raises(RuntimeError, match="default"):
            await world.names()

    run(body)


def test_many_that_wait_are_answered_by_one_reading(world: World) -> None:
    async def body() -> None:
        ask(world.ours, "digits")
        found = await asyncio.gather(*(world.names() for _ in range(50)))
        assert found == [["digits"]] * 50
        assert len(world.ours.reads) == 1

    run(body)
