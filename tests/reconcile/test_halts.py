"""Jobs that are asked to end: paused, cancelled, over their time."""

import pytest

from service.cluster.cluster import Sighting
from service.jobs.control import More
from service.lifecycle import Job, State
from service.reconcile.attend import SETTLES
from service.reconcile.decide import CANCEL_GRACE_S, PAUSE_GRACE_S
from tests.jobs.making import begin, fail, heed, succeed
from tests.reconcile.world import World
from trainer.contract import attempts, layout
from trainer.contract.attempts import Order
from trainer.contract.reasons import Code, reason
from trainer.contract.spec import ResolvedSpec


def _message(world: World, job: Job) -> str:
    why = world.see(job).reason
    assert why is not None
    return why.message


def _paused(world: World, job: Job) -> Job:
    """A running job, paused as its attempt heeds the wish."""
    world.run(job)
    world.jobs.pause("default", job.id)
    world.tick()
    world.train()
    world.tick()
    return world.see(job)


def test_a_paused_job_ends_its_attempt_and_goes_on_from_it_when_it_is_resumed(world: World) -> None:
    job = world.submit()
    paused = _paused(world, job)
    assert (paused.state, paused.attempt, paused.retries) == (State.PAUSED, 1, 0)
    assert _message(world, job).startswith("It was paused on request; it will start from")
    assert world.cluster.stops == []
    world.tick(5)
    assert world.see(job) == paused
    world.jobs.resume("default", job.id)
    assert world.run(job).state is State.RUNNING
    order = attempts.read(world.objects, layout.order(job.id, 2), Order)
    assert order is not None
    assert order.resume_attempts == (1,)
    assert _message(world, job) == "Attempt 2 goes on from step 5 of attempt 1 with 1 worker."
    world.train()
    world.tick()
    assert world.state(job) is State.SUCCEEDED
    assert _message(world, job) == "All 330 steps are done."


def test_an_attempt_that_does_not_heed_the_wish_to_pause_is_stopped(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.jobs.pause("default", job.id)
    world.clock.turn(PAUSE_GRACE_S - 1)
    world.tick()
    assert (world.state(job), world.cluster.stops) == (State.PAUSING, [])
    world.clock.turn(1)
    world.tick(2)
    assert (world.state(job), world.cluster.stops) == (State.PAUSED, ["job-00001-1"])
    assert succeed(world.objects, job.id, 1).status == "given_up"


def test_a_job_that_succeeds_while_it_is_being_paused_has_succeeded(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.jobs.pause("default", job.id)
    succeed(world.objects, job.id, 1)
    world.tick()
    assert world.state(job) is State.SUCCEEDED


def test_a_job_that_fails_by_itself_while_it_is_being_paused_has_failed(world: World) -> None:
    for number, code in enumerate((Code.DIVERGED, Code.WORKER_LOST), start=1):
        job = world.submit(number)
        world.run(job)
        world.jobs.pause("default", job.id)
        fail(world.objects, job.id, 1, reason(code, "Something happened."))
        world.tick()
        wanted = State.FAILED if code is Code.DIVERGED else State.PAUSED
        assert world.state(job) is wanted


def test_pausing_needs_no_cluster_that_answers(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.cluster.silent = True
    world.jobs.pause("default", job.id)
    world.tick()
    wish = world.wish(job)
    assert wish is not None
    heed(world.objects, wish)
    world.tick()
    assert world.state(job) is State.PAUSED


def test_a_cancelled_attempt_may_keep_a_checkpoint_first(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.jobs.cancel("default", job.id)
    world.tick()
    world.train()
    world.tick()
    assert (world.state(job), world.cluster.stops) == (State.CANCELLED, [])


@pytest.mark.parametrize("begun", [False, True])
def test_a_cancelled_job_has_ended_within_ten_seconds(world: World, *, begun: bool) -> None:
    job = world.submit()
    world.tick()
    world.cluster.submissions["job-00001-1"] = Sighting.RUNNING
    if begun:
        begin(world.objects, job.id, 1)
    world.jobs.cancel("default", job.id)
    asked = world.clock()
    while world.state(job) is not State.CANCELLED:
        world.tick()
    took = (world.clock() - asked).total_seconds()
    assert took <= (CANCEL_GRACE_S + 1 if begun else 1)


def test_the_end_of_an_earlier_run_says_nothing_of_a_job_that_was_resumed(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.train()
    world.tick()
    assert world.state(job) is State.SUCCEEDED
    world.jobs.resume("default", job.id, More(epochs=60))
    world.jobs.cancel("default", job.id)
    world.cluster.silent = True  # of a job of which nothing runs, nothing need be asked
    world.tick()
    assert world.state(job) is State.CANCELLED


def test_a_job_that_ran_for_its_time_keeps_a_checkpoint_and_fails(world: World) -> None:
    job = world.submit(max_runtime=60)
    world.run(job)
    world.pass_time(50, job)
    assert world.wish(job) is None
    world.pass_time(10, job)
    assert world.wish(job) is not None
    world.train()
    world.tick()
    failed = world.see(job)
    assert failed.reason is not None
    assert (failed.state, failed.reason.code) == (State.FAILED, Code.MAX_RUNTIME_EXCEEDED)
    world.jobs.resume("default", job.id)
    assert world.run(job).ran_s < 5


def test_a_job_over_its_time_that_heeds_nothing_is_given_up(world: World) -> None:
    job = world.submit(max_runtime=60)
    world.run(job)
    world.pass_time(60 + PAUSE_GRACE_S, job)
    failed = world.see(job)
    assert failed.reason is not None
    assert (failed.state, failed.reason.code) == (State.FAILED, Code.MAX_RUNTIME_EXCEEDED)
    assert world.cluster.stops == ["job-00001-1"]


def test_the_time_of_all_attempts_counts_and_that_in_line_does_not(world: World) -> None:
    job = world.submit(max_runtime=60)
    world.run(job)
    world.pass_time(40, job)
    fail(world.objects, job.id, 1, reason(Code.WORKER_LOST, "A worker was killed."))
    world.cluster.used = 4  # others came
    world.tick()
    world.clock.turn(1000)
    world.end(world.see(job))
    world.cluster.used = 0
    world.run(job)
    world.pass_time(15, job)
    assert world.wish(job) is None
    world.pass_time(5, job)
    assert world.wish(job) is not None


def test_a_job_that_waited_for_too_long_fails_and_says_for_what(world: World) -> None:
    job = world.submit(workers=64, max_pending=60)
    world.tick()
    world.clock.turn(60)
    world.tick()
    failed = world.see(job)
    assert failed.reason is not None
    assert (failed.state, failed.reason.code) == (State.FAILED, Code.MAX_PENDING_EXCEEDED)
    assert "max_pending of 60 s" in failed.reason.message
    assert "whole cluster has 4" in failed.reason.message


def test_an_elastic_job_grows_when_nobody_is_in_line(world: World) -> None:
    other = world.run(world.submit(1, workers=2))
    world.cluster.used = 2
    job = world.submit(2, workers={"min": 1, "max": 4})
    assert world.run(job).workers == 2
    order = attempts.read(world.objects, layout.order(job.id, 1), Order)
    assert order is not None
    assert isinstance(order.spec, ResolvedSpec)
    assert isinstance(job.spec, ResolvedSpec)
    assert (order.spec.workers, order.spec.batch_size) == (2, job.spec.batch_size)
    world.cluster.used = 4
    world.pass_time(70, job)
    assert world.wish(job) is None  # there is no room
    world.end(other)
    succeed(world.objects, other.id, 1)
    world.cluster.used = 2
    world.pass_time(2, job)
    wish = world.wish(job)
    assert wish is not None
    assert wish.reason.message == "There is room for 4 workers in place of 2 workers."
    world.cluster.used = 0
    world.train()
    world.tick()
    assert (world.state(job), world.see(job).retries) == (State.QUEUED, 0)
    world.clock.turn(SETTLES.total_seconds())
    grown = world.run(job)
    assert (grown.state, grown.workers, grown.attempt) == (State.RUNNING, 4, 2)


def test_an_elastic_job_leaves_room_to_those_in_line(world: World) -> None:
    world.cluster.used = 1
    job = world.submit(1, workers={"min": 1, "max": 4})
    assert world.run(job).workers == 3
    world.cluster.used = 3
    world.cluster.cpus = 5
    waiting = world.submit(2, workers=4)
    world.pass_time(70, job)
    assert world.state(waiting) is State.QUEUED
    assert world.wish(job) is None


def test_a_lost_worker_leaves_an_elastic_job_with_what_fits(world: World) -> None:
    job = world.submit(workers={"min": 1, "max": 4})
    assert world.run(job).workers == 4
    fail(world.objects, job.id, 1, reason(Code.NODE_LOST, "A node went away."))
    world.end(world.see(job))
    world.tick()
    world.cluster.cpus = 3
    world.clock.turn(SETTLES.total_seconds())
    again = world.run(job)
    assert (again.workers, again.attempt, again.retries) == (3, 2, 1)
