"""A lone request starts at once; whatever waits when the engine is free is its next batch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from deploy.batcher import Batcher, Full, Limits, TooLate

LIMITS = Limits(batch=4, inside=8)
Body = Callable[["World"], Awaitable[None]]


@dataclass
class World:
    """A batcher whose engine computes when the test says, and a clock that the test moves."""

    limits: Limits = LIMITS
    now: float = 0.0
    batches: list[list[str]] = field(default_factory=list)
    may_compute: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    computing: int = 0
    stages: list[tuple[str, float]] = field(default_factory=list)
    batcher: "Batcher[str, str, str]" = field(init=False)

    def __post_init__(self) -> None:
        self.batcher = Batcher(
            self.prepare,
            self.compute,
            self.limits,
            observe=lambda stage, seconds: self.stages.append((stage, seconds)),
            clock=lambda: self.now,
        )

    async def prepare(self, item: str) -> str:
        if item == "unreadable":
            raise ValueError(item)
        return item

    async def compute(self, items: Sequence[str]) -> Sequence[str]:
        assert self.computing == 0, "one batch at a time"
        self.computing += 1
        self.batches.append(list(items))
        await self.may_compute.acquire()
        self.computing -= 1
        if "broken" in items:
            raise RuntimeError("the engine broke")
        return [item.upper() for item in items]

    def asks(
        self, item: str, images: int = 1, deadline: float | None = None
    ) -> "asyncio.Task[str]":
        return asyncio.create_task(self.batcher.ask(item, images=images, deadline=deadline))

    def release(self, batches: int = 100) -> None:
        for _ in range(batches):
            self.may_compute.release()


def run(body: Body, limits: Limits = LIMITS) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(World(limits)), timeout=30)

    asyncio.run(main())


async def settled() -> None:
    """Until every task has gone as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_lone_request_starts_at_once() -> None:
    async def body(world: World) -> None:
        asked = world.asks("a")
        await settled()
        assert world.batches == [["a"]]
        world.release()
        assert await asked == "A"

    run(body)


def test_what_waits_when_the_engine_is_free_is_the_next_batch_in_order() -> None:
    async def body(world: World) -> None:
        first = world.asks("a")
        await settled()
        asked = [world.asks(item) for item in "bcdefg"]
        await settled()
        world.release()
        assert await asyncio.gather(first, *asked) == list("ABCDEFG")
        assert world.batches == [["a"], ["b", "c", "d", "e"], ["f", "g"]]

    run(body)


def test_a_batch_holds_no_more_images_than_it_may_but_one_request_is_never_split() -> None:
    async def body(world: World) -> None:
        asked = [world.asks("a"), world.asks("b", 3), world.asks("c", 2), world.asks("d", 6)]
        await settled()
        world.release()
        await asyncio.gather(*asked)
        assert world.batches == [["a", "b"], ["c"], ["d"]]

    run(body, Limits(batch=4, inside=64))


def test_more_than_may_be_inside_is_refused_at_once_with_when_to_come_back() -> None:
    async def body(world: World) -> None:
        first = world.asks("a", 2)
        await settled()
        world.now += 3.0  # seconds an image are 1.5
        world.release(1)
        await first
        held = [world.asks("b", 4), world.asks("c", 4)]
        await settled()
        with pytest.raises(Full) as refused:
            await world.batcher.ask("d", images=1)
        assert refused.value.retry_after_s == 12
        world.release()
        assert await asyncio.gather(*held) == ["B", "C"]
        assert await world.batcher.ask("d", images=1) == "D"

    run(body)


def test_one_request_larger_than_all_that_may_be_inside_is_answered_when_alone() -> None:
    async def body(world: World) -> None:
        world.release()
        assert await world.batcher.ask("a", images=64) == "A"

    run(body)


def test_a_request_whose_deadline_passed_is_not_computed() -> None:
    async def body(world: World) -> None:
        first = world.asks("a")
        await settled()
        late, other = world.asks("b", deadline=5), world.asks("c")
        await settled()
        world.now = 5.0
        world.release()
        with pytest.raises(TooLate):
            await late
        assert [await first, await other] == ["A", "C"]
        assert world.batches == [["a"], ["c"]]

    run(body)


def test_a_request_whose_client_left_is_not_computed_and_its_place_is_free() -> None:
    async def body(world: World) -> None:
        first, left = world.asks("a", 4), world.asks("b", 4)
        await settled()
        left.cancel()
        await settled()
        other = world.asks("c", 4)
        await settled()
        world.release()
        assert [await first, await other] == ["A", "C"]
        assert world.batches == [["a"], ["c"]]

    run(body)


def test_a_broken_batch_fails_those_in_it_and_the_next_is_computed() -> None:
    async def body(world: World) -> None:
        first = world.asks("a")
        await settled()
        broken = [world.asks("broken"), world.asks("b")]
        await settled()
        world.release()
        assert await first == "A"
        for each in broken:
            with pytest.raises(RuntimeError, match="the engine broke"):
                await each
        assert await world.batcher.ask("c", images=1) == "C"

    run(body)


def test_what_cannot_be_prepared_fails_alone_and_gives_its_place_back() -> None:
    async def body(world: World) -> None:
        world.release()
        for _ in range(LIMITS.inside + 1):
            with pytest.raises(ValueError, match="unreadable"):
                await world.batcher.ask("unreadable", images=1)
        assert await world.batcher.ask("a", images=8) == "A"
        assert world.batches == [["a"]]

    run(body)


def test_each_stage_of_each_request_is_told() -> None:
    async def body(world: World) -> None:
        asked = [world.asks("a")]
        await settled()
        asked.append(world.asks("b"))
        await settled()
        world.now = 2.0
        world.release(1)
        await settled()
        world.now = 5.0
        world.release()
        await asyncio.gather(*asked)
        assert sorted(world.stages) == [
            ("compute", 2.0), ("compute", 3.0), ("decode", 0.0), ("decode", 0.0),
            ("queue", 0.0), ("queue", 2.0),
        ]  # fmt: skip

    run(body)
