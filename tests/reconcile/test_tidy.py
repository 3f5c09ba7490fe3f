"""Of a job that rests the best and the newest checkpoints stay, and never is the last good one dropped."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from service.lifecycle import Job, State
from service.reconcile.loop import SWEEP_EVERY
from service.reconcile.tidy import COPIES_WITHIN
from tests.jobs.making import begin, checkpoint_meta, point, succeed
from tests.reconcile.world import Died, Fuse, World
from trainer.contract import layout, manifest
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.lineage import places
from trainer.contract.reasons import Code

FIRST = {5: 50.0, 10: 20.0, 15: 30.0, 20: 40.0}
SECOND = {25: 35.0, 30: 25.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def _save(world: World, job: Job, attempt: int, errors: Mapping[int, float], folder: Path) -> None:
    for step, error in errors.items():
        measured = point(step, "val", top1_error=error)
        meta = checkpoint_meta(job.id, attempt, step).model_copy(update={"metrics": measured})
        (folder / "file").write_bytes(b"weights of step %d" % step)
        prefix = layout.checkpoint(job.id, attempt, step)
        facts = meta.model_dump(mode="json")
        manifest.commit(world.objects, prefix, {WEIGHTS: folder / "file"}, facts, at=world.clock())


def _two_attempts(world: World, folder: Path, number: int = 1) -> Job:
    """A job whose second attempt lives: it went on from step 20 of the first, and has kept two more."""
    job = world.submit(number, max_retries=3)
    world.tick()
    begin(world.objects, job.id, 1)
    _save(world, job, 1, FIRST, folder)
    world.end(world.see(job))
    world.tick()  # given up
    while world.state(job) is not State.STARTING:
        world.tick()
    world.train()
    begin(world.objects, job.id, 2, step=20, of=1)
    _save(world, job, 2, SECOND, folder)
    return job


def _finish(world: World, job: Job) -> None:
    succeed(world.objects, job.id, 2, step=30)
    world.tick()
    assert world.state(job) is State.SUCCEEDED


def _there(world: World, job: Job, attempt: int) -> list[int]:
    return [found.step for found in places(world.objects, job.id, attempt) if found.committed]


def _turn(world: World, times: int = 12, *, by: timedelta = SWEEP_EVERY) -> None:
    for _ in range(times):
        world.clock.turn(by.total_seconds())
        world.tick()


def _files(world: World, job: Job) -> list[str]:
    return [found.key for found in world.objects.list(layout.job(job.id) + "/")]


def test_when_a_job_has_ended_the_best_and_the_newest_of_all_attempts_stay(
    world: World, folder: Path
) -> None:
    job = _two_attempts(world, folder)
    _finish(world, job)
    _turn(world)
    assert (_there(world, job, 1), _there(world, job, 2)) == ([10], [25, 30])
    assert any(
        "0000000005" in key for key in _files(world, job)
    )  # somebody may still be copying it
    _turn(world, by=COPIES_WITHIN)
    assert not any("0000000005" in key for key in _files(world, job))
    assert world.reconciler._tidier.leftovers.due(world.clock() + COPIES_WITHIN, limit=1) == []


def test_what_earlier_attempts_left_goes_when_a_later_one_runs_and_nothing_of_a_live_one(
    world: World, folder: Path
) -> None:
    job = _two_attempts(world, folder)
    _save(world, job, 2, {22: 90.0}, folder)
    world.tick()
    assert world.state(job) is State.RUNNING
    for _ in range(4):
        world.pass_time(SWEEP_EVERY.total_seconds(), job)
    assert (_there(world, job, 1), _there(world, job, 2)) == ([10], [22, 25, 30])


def test_never_is_the_last_good_checkpoint_dropped(world: World, folder: Path) -> None:
    job = _two_attempts(world, folder)
    for step in SECOND:
        prefix = layout.checkpoint(job.id, 2, step)
        world.objects.put(f"{prefix}/{WEIGHTS}", b"something else of length")
    world.objects.delete(f"{layout.checkpoint(job.id, 1, 20)}/{WEIGHTS}")
    _finish(world, job)
    _turn(world)
    assert _there(world, job, 1) == [10, 15]  # the best one, and the newest that is whole


def test_where_none_is_good_none_is_dropped(world: World, folder: Path) -> None:
    job = _two_attempts(world, folder)
    for attempt, steps in ((1, FIRST), (2, SECOND)):
        for step in steps:
            world.objects.delete(f"{layout.checkpoint(job.id, attempt, step)}/{WEIGHTS}")
    _finish(world, job)
    _turn(world)
    assert (_there(world, job, 1), _there(world, job, 2)) == ([5, 10, 15, 20], [25, 30])


def test_a_branch_that_was_given_up_goes(world: World, folder: Path) -> None:
    job = _two_attempts(world, folder)
    _save(
        world, job, 1, {40: 1.0}, folder
    )  # of the first attempt, after the second went on from 20
    _finish(world, job)
    _turn(world)
    assert (_there(world, job, 1), _there(world, job, 2)) == ([10], [25, 30])


def test_what_was_not_saved_to_its_end_goes_in_time(world: World, folder: Path) -> None:
    job = _two_attempts(world, folder)
    orphan = f"{layout.checkpoint(job.id, 1, 24)}/{WEIGHTS}"
    world.objects.put(orphan, b"half")
    _finish(world, job)
    _turn(world)
    assert orphan in _files(world, job)
    _turn(world, by=COPIES_WITHIN)
    assert orphan not in _files(world, job)


def test_tidying_that_is_interrupted_anywhere_is_finished_by_the_next(
    world: World, folder: Path
) -> None:
    for number in count(1):
        job = _two_attempts(world, folder, number)
        _finish(world, job)
        fuse = Fuse(burns_at=number)
        world.restart(fuse)
        for by in (SWEEP_EVERY, COPIES_WITHIN):
            try:
                _turn(world, 3, by=by)
            except Died:
                world.restart()
                _turn(world, 3, by=by)
            assert (_there(world, job, 1), _there(world, job, 2)) == ([10], [25, 30])
        assert (
            len({key.rpartition("/")[0] for key in _files(world, job) if "checkpoints" in key}) == 3
        )
        if fuse.passed < number:
            assert number > 6
            return


def test_a_running_job_says_from_where_and_what_it_passed_over(world: World) -> None:
    job = world.submit()
    world.tick()
    world.train()
    skipped = tuple(f"step {step} of attempt 1: it is damaged" for step in (90, 80, 70, 60))
    begin(world.objects, job.id, 1, step=40, of=1, skipped=skipped)
    world.tick()
    reason = world.see(job).reason
    assert reason is not None
    assert (reason.code, reason.message) == (
        Code.RUNNING,
        "Attempt 1 goes on from step 40 of attempt 1 with 1 worker, passing over step 90 of attempt 1: it "
        "is damaged; step 80 of attempt 1: it is damaged; step 70 of attempt 1: it is damaged; and 1 more.",
    )
