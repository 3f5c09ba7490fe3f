"""Attempts that give no sign of life are given up; whatever else is silent changes nothing."""

from datetime import timedelta

import pytest

from service.cluster.cluster import Sighting
from service.lifecycle import State
from service.reconcile.decide import START_WITHIN_S
from service.reconcile.lease import LOOK_EVERY, WIND_UP_S
from tests.jobs.making import succeed
from tests.reconcile.world import World
from trainer.contract import layout
from trainer.contract.attempts import BEAT_EVERY_S, LEASE_S
from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code


def _ticks(world: World, seconds: float) -> None:
    world.tick(int(seconds / 0.5))


@pytest.mark.parametrize(("silent", "other"), [("driver", "0"), ("0", "driver")])
def test_an_attempt_is_given_up_when_its_driver_or_first_worker_is_silent(
    world: World, silent: str, other: str
) -> None:
    job = world.submit()
    world.run(job)
    world.beat(job)
    _ticks(world, LOOK_EVERY.total_seconds())
    gone = world.clock()
    while world.see(job).attempt == 1:
        world.beat(job, other)
        world.tick()
    took = world.clock() - gone
    assert timedelta(seconds=LEASE_S) - LOOK_EVERY <= took
    assert took <= timedelta(seconds=LEASE_S) + 2 * LOOK_EVERY
    assert world.cluster.stops == ["job-00001-1"]
    lost = world.store.events(job.id)[3]
    assert lost.reason is not None
    assert lost.reason.code is Code.ATTEMPT_LOST
    assert ("driver" if silent == "driver" else "first worker") in lost.reason.message
    assert succeed(world.objects, job.id, 1).status == "given_up"
    assert world.see(job).retries == 1


def test_an_attempt_that_beats_is_never_given_up(world: World) -> None:
    job = world.submit()
    world.run(job)
    for _ in range(100):
        world.beat(job)
        _ticks(world, BEAT_EVERY_S)
    assert (world.state(job), world.see(job).attempt) == (State.RUNNING, 1)


def test_one_that_never_beat_or_said_that_it_is_done_is_not_missed(world: World) -> None:
    never, done = world.submit(1), world.submit(2)
    world.run(never)
    world.run(done)
    world.beat(done, ended=True)
    _ticks(world, 3 * LEASE_S)
    assert [world.state(job) for job in (never, done)] == [State.RUNNING, State.RUNNING]


def test_an_attempt_whose_first_worker_is_done_may_not_take_for_ever_to_end(world: World) -> None:
    """Ray Train's controller is frozen: the driver waits for it, and shows that it lives."""
    job = world.submit()
    world.run(job)
    world.beat(job, "0", ended=True)
    began = world.clock()
    while world.see(job).attempt == 1:
        world.beat(job, "driver")
        world.tick()
    took = world.clock() - began
    assert timedelta(seconds=WIND_UP_S) <= took
    assert took <= timedelta(seconds=WIND_UP_S) + 2 * LOOK_EVERY
    assert world.cluster.stops == ["job-00001-1"]


def test_a_store_that_was_away_for_both_sides_ends_no_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit()
    world.run(job)
    world.beat(job)
    _ticks(world, 2 * LOOK_EVERY.total_seconds())

    def silent(*_: object) -> None:
        raise StoreUnavailable("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.objects), "get", silent)
        _ticks(world, 3 * LEASE_S)
    _ticks(world, BEAT_EVERY_S)
    world.beat(job)
    _ticks(world, LEASE_S / 2)
    assert (world.state(job), world.see(job).attempt) == (State.RUNNING, 1)


def test_a_program_that_was_frozen_itself_ends_no_attempt(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.beat(job)
    _ticks(world, LOOK_EVERY.total_seconds())
    world.clock.turn(10 * LEASE_S)
    world.tick()
    world.beat(job)
    _ticks(world, LEASE_S / 2)
    assert (world.state(job), world.see(job).attempt) == (State.RUNNING, 1)


def test_another_program_waits_for_a_whole_lease(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.beat(job)
    _ticks(world, LEASE_S - LOOK_EVERY.total_seconds())
    world.restart()
    _ticks(world, LEASE_S - 2 * LOOK_EVERY.total_seconds())
    assert world.see(job).attempt == 1
    _ticks(world, 3 * LOOK_EVERY.total_seconds())
    assert world.see(job).attempt == 2


def test_a_sign_that_cannot_be_read_says_nothing(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.objects.put(layout.heartbeat(job.id, 1, "driver"), b"[]")
    _ticks(world, 2 * LEASE_S)
    assert world.see(job).attempt == 1


def test_an_attempt_that_ray_never_places_is_given_up(world: World) -> None:
    job = world.submit()
    world.tick()
    world.cluster.submissions["job-00001-1"] = Sighting.RUNNING
    for _ in range(int(START_WITHIN_S / BEAT_EVERY_S) + 3):
        world.beat(job, "driver")
        world.clock.turn(BEAT_EVERY_S)
        world.tick()
    assert (world.see(job).attempt, world.see(job).retries) == (2, 1)
    assert world.cluster.stops == ["job-00001-1"]
