from dataclasses import replace
from typing import Any

from service.lifecycle import Job, State
from service.reconcile.admit import BEHIND
from service.reconcile.line import LOOK
from tests.reconcile.world import World
from trainer.contract.reasons import Code


def _message(world: World, job: Job) -> str:
    why = world.see(job).reason
    return why.message if why else ""


def test_jobs_of_one_moment_get_no_more_than_there_is(world: World) -> None:
    jobs = [world.submit(number, workers=2) for number in (1, 2, 3)]
    world.tick(3)
    assert [world.state(job) for job in jobs] == [State.STARTING, State.STARTING, State.QUEUED]


def test_a_starting_job_that_ray_shows_is_not_counted_twice(world: World) -> None:
    world.submit(1, workers=2)
    world.tick()
    world.cluster.used = 2
    later = world.submit(2, workers=2)
    world.tick()
    assert world.state(later) is State.STARTING


def test_what_others_use_is_left_to_them(world: World) -> None:
    world.cluster.used = 3
    job = world.submit(1, workers=2)
    world.tick(2)
    assert _message(world, job) == (
        "It needs 2 CPUs and 1 of the cluster's 4 are free; it is the first in the line."
    )
    world.cluster.used = 0
    world.tick()
    assert world.state(job) is State.STARTING


def test_room_that_comes_free_goes_to_the_next_at_once(world: World) -> None:
    first = world.run(world.submit(1, workers=4))
    second = world.submit(2, workers=4)
    world.cluster.used = 4
    world.tick()
    assert world.state(second) is State.QUEUED
    world.jobs.cancel("default", first.id)
    world.tick()
    world.train()
    world.tick()
    assert world.state(first) is State.CANCELLED
    assert world.state(second) is State.QUEUED  # Ray still shows it as used
    world.cluster.used = 0
    world.tick()
    assert world.state(second) is State.STARTING


def test_places_move_up_as_the_line_gets_shorter(world: World) -> None:
    running = world.run(world.submit(1, workers=4))
    waiting = [world.submit(number, workers=4) for number in (2, 3, 4)]
    world.tick()
    assert "number 3" in _message(world, waiting[2])
    world.jobs.cancel("default", waiting[0].id)
    world.tick()
    assert _message(world, waiting[1]).startswith("It needs 4 CPUs and 0 of")
    assert "number 2" in _message(world, waiting[2])
    assert world.state(running) is State.RUNNING


def test_a_job_that_falls_far_behind_does_not_keep_its_old_place(world: World) -> None:
    world.run(world.submit(1, workers=4))
    old = world.submit(2, workers=4)
    world.tick()
    assert "4 CPUs" in _message(world, old)
    for number in range(3, LOOK + 4):
        world.submit(number, workers=4, priority=1)
    world.tick()
    assert _message(world, old) == BEHIND.message


def test_jobs_too_large_for_the_cluster_hide_nobody_behind_them(world: World) -> None:
    hopeless = [world.submit(number, workers=64) for number in range(1, LOOK + 2)]
    small = world.submit(LOOK + 2, workers=1)
    world.tick(2)
    assert world.state(small) is State.STARTING
    world.tick()
    assert all("whole cluster has 4" in _message(world, job) for job in hopeless)


def test_a_cluster_that_grows_takes_the_jobs_that_waited_for_it(world: World) -> None:
    job = world.submit(1, workers=8)
    world.tick()
    world.cluster.cpus = 8
    world.tick()
    assert world.state(job) is State.STARTING


def test_a_job_that_is_cancelled_while_it_is_about_to_start_does_not_start(world: World) -> None:
    job = world.submit()
    line = world.store.line

    def cancelled_meanwhile(project: str, **asked: Any) -> list[Job]:
        found = line(project, **asked)
        if world.state(job) is State.QUEUED:
            world.jobs.cancel("default", job.id)
        return found

    attendant = world.reconciler.attendant
    attendant.store = _Line(attendant.store, cancelled_meanwhile)  # type: ignore[assignment]
    world.reconciler = replace(world.reconciler)
    world.tick(2)
    assert world.state(job) is State.CANCELLED
    assert world.cluster.starts == []


class _Line:
    def __init__(self, store: object, line: object) -> None:
        self.store, self.line = store, line

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_waiting_has_a_code_for_what_is_short(world: World) -> None:
    large, waiting = world.submit(1, workers=4, gpus_per_worker=1), world.submit(2, workers=4)
    world.cluster.used = 1
    world.tick()
    codes = [why.code for job in (large, waiting) if (why := world.see(job).reason)]
    assert codes == [Code.WAITING_FOR_GPUS, Code.WAITING_FOR_CPUS]
