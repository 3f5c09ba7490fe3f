"""What a project held lately, and that it gives way for it."""

from datetime import timedelta
from math import exp

import pytest
from sqlalchemy import Engine, event

from service.lifecycle import State
from service.reconcile import line
from service.reconcile.usage import MEMORY, Usage
from tests.jobs.making import NOW, succeed
from tests.reconcile.world import World

MEMORY_S = MEMORY.total_seconds()


def _note(usage: Usage, shares: dict[str, float], *, for_s: float, from_s: float = 0) -> float:
    """Note the same every five seconds; the time of the last note."""
    times = int(for_s / 5)
    for number in range(times + 1):
        usage.note(shares, NOW + timedelta(seconds=from_s + 5 * number))
    return from_s + 5 * times


def _lately(usage: Usage, at_s: float) -> dict[str, float]:
    return usage.lately(NOW + timedelta(seconds=at_s))


def test_the_mean_comes_near_to_what_is_held_and_fades_afterwards(engine: Engine) -> None:
    usage = Usage(engine)
    at = _note(usage, {"a": 0.5, "b": 0.25}, for_s=MEMORY_S)
    means = _lately(usage, at)
    assert means["a"] == pytest.approx(0.5 * (1 - exp(-1)), rel=0.02)
    assert means["b"] == pytest.approx(means["a"] / 2)
    # Also when nobody notes anything any more, as while all programs are away.
    assert _lately(usage, at + MEMORY_S)["a"] == pytest.approx(means["a"] * exp(-1))
    then = _note(usage, {"b": 0.25}, for_s=MEMORY_S, from_s=at)
    assert _lately(usage, then)["a"] == pytest.approx(means["a"] * exp(-1), rel=0.02)
    assert _lately(usage, then)["b"] > means["b"]


def test_what_was_held_long_ago_is_forgotten_whole(engine: Engine) -> None:
    usage = Usage(engine)
    at = _note(usage, {"a": 1.0}, for_s=60)
    usage.note({}, NOW + timedelta(seconds=at + 5))
    assert _lately(usage, at + 5)["a"] > 0.05
    usage.note({}, NOW + timedelta(seconds=at + 8 * MEMORY_S))
    assert _lately(usage, at) == {}


def test_a_clock_that_is_set_back_makes_no_mean_larger(engine: Engine) -> None:
    usage = Usage(engine)
    at = _note(usage, {"a": 1.0}, for_s=60)
    before = _lately(usage, at)
    usage.note({"a": 1.0}, NOW - timedelta(hours=1))
    assert _lately(usage, -3600) == pytest.approx(before)


def test_a_project_that_had_the_cluster_lately_gives_way_to_one_that_had_not(world: World) -> None:
    first = world.run(world.submit(1, project="busy", workers=4))
    world.cluster.used = 4
    first = world.pass_time(120, first)
    busy = world.submit(2, project="busy", workers=4)
    world.clock.turn(5)
    idle = world.submit(3, project="idle", workers=4)
    succeed(world.objects, first.id, 1)
    world.cluster.used = 0
    world.restart()  # the next program knows it as well
    world.tick(30)
    assert world.state(idle) is State.STARTING
    assert world.state(busy) is State.QUEUED


def test_the_line_that_is_shown_counts_what_was_held_as_the_reconciler_does(world: World) -> None:
    first = world.run(world.submit(1, project="busy", workers=4))
    world.cluster.used = 4
    first = world.pass_time(120, first)
    succeed(world.objects, first.id, 1)
    world.cluster.used = 3  # nothing of what waits has room
    world.tick(2)
    busy = world.submit(2, project="busy", workers=4)
    world.clock.turn(5)
    idle = world.submit(3, project="idle", workers=4)
    shown = line.first(world.store, world.capacity(), 9, now=world.clock())
    assert [one.id for one in shown] == [idle.id, busy.id]


def test_while_nothing_is_held_nothing_is_written(engine: Engine) -> None:
    usage, said = Usage(engine), list[str]()
    event.listen(engine, "before_cursor_execute", lambda *of: said.append(of[2].split()[0]))
    usage.note({}, NOW)
    usage.note({"a": 0.0001}, NOW)
    usage.note({}, NOW + timedelta(seconds=5))
    usage.note({}, NOW + timedelta(seconds=10))
    assert said == ["SELECT", "SELECT", "DELETE", "INSERT", "SELECT", "DELETE", "SELECT"]
