"""What a deleted job leaves is removed, also what comes late."""

from datetime import timedelta
from itertools import count

from service.lifecycle import Job, State
from service.reconcile.loop import SWEEP_EVERY
from service.reconcile.sweep import AGAIN_AFTER, AT_ONCE
from tests.reconcile.world import Died, Fuse, World
from trainer.contract import layout


def _objects(world: World, job: Job) -> list[str]:
    return [found.key for found in world.objects.list(layout.job(job.id) + "/")]


def _deleted(world: World, number: int, objects: int) -> Job:
    job = world.submit(number)
    for one in range(objects):
        world.objects.put(f"{layout.attempt(job.id, 1)}/logs/{one}", b"a line")
    world.jobs.cancel("default", job.id)
    assert world.state(job) is State.CANCELLED
    world.jobs.delete("default", job.id)
    return job


def _turn(world: World, by: timedelta = SWEEP_EVERY) -> None:
    world.clock.turn(by.total_seconds())
    world.tick()


def test_the_objects_of_a_deleted_job_are_removed_and_of_no_other(world: World) -> None:
    world.objects.put("jobs/job-000011/1/order.json", b"of a job whose name begins likewise")
    job = _deleted(world, 1, objects=3)
    _turn(world)
    assert _objects(world, job) == []
    assert [found.key for found in world.objects.list("jobs/")] == ["jobs/job-000011/1/order.json"]


def test_many_objects_are_removed_a_few_at_a_time(world: World) -> None:
    job = _deleted(world, 1, objects=2 * AT_ONCE + 1)
    left = []
    for _ in range(3):
        _turn(world)
        left.append(len(_objects(world, job)))
    assert left == [AT_ONCE + 1, 1, 0]


def test_what_a_process_wrote_late_is_removed_too_and_then_nobody_looks_again(world: World) -> None:
    job = _deleted(world, 1, objects=1)
    _turn(world)
    world.objects.put(f"{layout.attempt(job.id, 1)}/logs/late", b"a line")
    _turn(world, AGAIN_AFTER)
    assert _objects(world, job) == []
    assert world.store.trash(world.clock() + timedelta(days=1), limit=1) == []


def test_a_sweep_that_is_interrupted_anywhere_is_finished_by_the_next(world: World) -> None:
    for number in count(1):
        fuse = Fuse(burns_at=number)
        job = _deleted(world, number, objects=2)
        world.restart(fuse)
        for wait in (SWEEP_EVERY, AGAIN_AFTER):
            try:
                _turn(world, wait)
            except Died:
                world.restart()
                _turn(world)
            assert _objects(world, job) == []
        assert world.store.trash(world.clock() + timedelta(days=1), limit=1) == []
        if fuse.passed < number:
            assert number > 4
            return
