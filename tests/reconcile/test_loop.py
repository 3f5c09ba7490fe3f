import shlex
from dataclasses import replace

import pytest
from sqlalchemy import event

from service.cluster.cluster import Sighting
from service.errors import Unavailable
from service.jobs.control import More
from service.lifecycle import Job, Result, State
from service.reconcile.decide import CANCEL_GRACE_S
from service.reconcile.leaving import LEAVES_WITHIN
from service.reconcile.outcomes import backoff
from service.reconcile.progress import progress
from tests.jobs.making import (
    evaluated,
    evaluation,
    fail,
    finish,
    measure,
    point,
    spec,
    succeed,
)
from tests.reconcile.world import STORAGE_URL, World
from trainer.contract import attempts, layout
from trainer.contract.attempts import Best, Order, Outcome
from trainer.contract.reasons import Code, reason

WORKER_LOST = reason(Code.WORKER_LOST, "A worker was killed.")


def _code(job: Job) -> Code | None:
    return job.reason.code if job.reason else None


def test_a_job_is_submitted_runs_and_succeeds(world: World) -> None:
    job = world.submit()
    world.tick()
    assert world.state(job) is State.STARTING
    assert world.cluster.starts == ["job-00001-1"]
    world.train()
    world.tick()
    assert world.state(job) is State.RUNNING
    world.train()
    world.tick()
    done = world.see(job)
    final = point(1, "val")
    assert done.state is State.SUCCEEDED
    assert done.result is not None
    assert (done.result.final, done.result.best) == (final, Best(attempt=1, step=1, metrics=final))
    assert [event.to_state for event in world.store.events(job.id)] == [
        State.QUEUED,
        State.STARTING,
        State.RUNNING,
        State.SUCCEEDED,
    ]


@pytest.mark.parametrize("behind_s", [0.003, 5.0])
def test_a_job_of_a_clock_that_is_ahead_has_one_attempt(world: World, behind_s: float) -> None:
    """The reconciler looks at its own before it reads the line, and may be on another machine."""
    job = world.submit()
    world.clock.turn(-0.5 - behind_s)  # a tick turns it by half a second
    world.tick(times=3)
    assert (world.state(job), world.cluster.starts) == (State.STARTING, ["job-00001-1"])
    times = [event.at for event in world.store.events(job.id)]
    assert times == sorted(times)


def test_a_job_that_is_resumed_by_a_clock_that_is_behind_has_no_attempt_yet(world: World) -> None:
    job = world.run(world.submit())
    world.train()
    world.tick()
    assert world.state(job) is State.SUCCEEDED
    world.clock.turn(-60)
    world.jobs.resume("default", job.id, More(epochs=60))
    world.jobs.cancel("default", job.id)
    assert [held.attempted for held in world.store.holding()] == [False]
    world.tick()
    assert world.state(job) is State.CANCELLED


def test_an_evaluation_succeeds_with_what_it_came_to(world: World) -> None:
    job = world.submit(kind="evaluate")
    world.tick()
    order = attempts.read(world.objects, layout.order(job.id, 1), Order)
    assert order is not None
    assert order.spec == job.spec
    running = world.run(job)
    assert running.state is State.RUNNING
    finish(world.objects, job.id, 1)
    world.end(running)
    world.tick()
    done = world.see(job)
    assert (done.state, done.result) == (State.SUCCEEDED, Result(evaluation=evaluated()))
    assert world.registered == []


def test_an_evaluation_shows_no_steps_as_it_has_none() -> None:
    assert progress(spec(), [point(1)]) is not None
    assert progress(evaluation(), [point(1)]) is None


def test_an_evaluation_whose_worker_is_lost_is_done_again(world: World) -> None:
    job = world.submit(kind="evaluate")
    world.tick()
    fail(world.objects, job.id, 1, WORKER_LOST)
    world.tick()
    assert (world.see(job).attempt, world.see(job).retries) == (2, 1)


def test_a_model_that_cannot_be_used_ends_an_evaluation_at_once(world: World) -> None:
    job = world.submit(kind="evaluate")
    world.tick()
    fail(world.objects, job.id, 1, reason(Code.MODEL_UNUSABLE, "Its weights are damaged."))
    world.tick()
    assert world.state(job) is State.FAILED
    assert _code(world.see(job)) is Code.MODEL_UNUSABLE


def test_an_attempt_is_ordered_before_it_is_submitted(world: World) -> None:
    job = world.submit()
    world.tick()
    order = attempts.read(world.objects, layout.order(job.id, 1), Order)
    assert order == Order(job_id=job.id, attempt=1, spec=job.spec, resume_attempts=())
    words = shlex.split(world.cluster.entrypoints["job-00001-1"])
    assert words == [
        *("python", "-m", "trainer.run", "--store", STORAGE_URL),
        *("--job", job.id, "--attempt", "1"),
    ]


def test_a_short_job_may_succeed_before_it_was_seen_running(world: World) -> None:
    job = world.submit()
    world.tick()
    world.train()
    world.train()
    world.tick()
    assert world.state(job) is State.SUCCEEDED


def test_a_lost_attempt_is_followed_by_one_that_goes_on_from_it(world: World) -> None:
    job = world.submit()
    world.end(world.run(job))
    world.tick()
    assert (world.see(job).attempt, world.see(job).retries) == (2, 1)
    order = attempts.read(world.objects, layout.order(job.id, 2), Order)
    assert order is not None
    assert order.resume_attempts == (1,)
    lost = world.store.events(job.id)[3]
    assert (lost.to_state, lost.reason and lost.reason.code) == (State.QUEUED, Code.ATTEMPT_LOST)
    assert succeed(world.objects, job.id, 1).status == "given_up"


def test_a_job_fails_when_its_retries_are_spent(world: World) -> None:
    job = world.submit(max_retries=2)
    for attempt in (1, 2, 3):
        running = world.run(job)
        assert running.attempt == attempt
        fail(world.objects, job.id, attempt, WORKER_LOST)
        world.end(running)
        world.tick()
        world.clock.turn(backoff(attempt).total_seconds())
    failed = world.see(job)
    assert (failed.state, failed.retries, _code(failed)) == (State.FAILED, 2, Code.WORKER_LOST)


def test_a_failure_of_the_users_is_not_tried_again(world: World) -> None:
    job = world.submit()
    fail(world.objects, job.id, world.run(job).attempt, reason(Code.DIVERGED, "Not a number."))
    world.tick()
    assert (world.state(job), _code(world.see(job))) == (State.FAILED, Code.DIVERGED)


def test_a_restarted_cluster_costs_no_retry(world: World) -> None:
    job = world.submit(max_retries=0)
    world.run(job)
    world.cluster.submissions.clear()
    world.tick()
    assert (world.see(job).attempt, world.see(job).retries) == (2, 0)
    assert world.store.events(job.id)[3].reason is not None
    assert world.cluster.starts == ["job-00001-1", "job-00001-2"]


def test_an_outcome_that_was_committed_at_the_last_moment_counts(world: World) -> None:
    job = world.submit()
    running = world.run(job)
    world.end(running)
    create = world.objects.create

    def late(key: str, data: bytes) -> None:
        create(key, success.model_dump_json().encode())
        create(key, data)

    final = point(9, "val")
    success = Outcome(
        job_id=job.id,
        attempt=1,
        status="succeeded",
        final=final,
        best=Best(attempt=1, step=9, metrics=final),
        at=world.clock(),
    )
    object.__setattr__(world.objects, "create", late)
    world.tick()
    assert world.state(job) is State.SUCCEEDED


def test_an_outcome_that_cannot_be_read_ends_the_job(world: World) -> None:
    job = world.submit(max_retries=0)
    world.run(job)
    world.objects.put(layout.outcome(job.id, 1), b'{"status": "succeeded", "loss": null}')
    world.tick()
    assert (world.state(job), _code(world.see(job))) == (State.FAILED, Code.INTERNAL)


def test_a_cancelled_job_is_stopped_and_its_late_success_refused(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.jobs.cancel("default", job.id)
    world.tick()
    assert (world.cluster.stops, world.state(job)) == ([], State.CANCELLING)
    wish = world.wish(job)
    assert wish is not None
    assert wish.reason.code is Code.CANCELLED_BY_USER
    world.clock.turn(CANCEL_GRACE_S)
    world.tick()
    assert (world.cluster.stops, world.state(job)) == (["job-00001-1"], State.CANCELLING)
    world.tick()
    assert (world.state(job), _code(world.see(job))) == (State.CANCELLED, Code.CANCELLED_BY_USER)
    assert succeed(world.objects, job.id, 1).status == "given_up"


def test_a_pending_submission_is_stopped_until_it_listens(world: World) -> None:
    job = world.submit()
    world.tick()
    world.jobs.cancel("default", job.id)
    world.tick(3)
    assert len(world.cluster.stops) == 3
    assert world.state(job) is State.CANCELLING
    world.cluster.submissions["job-00001-1"] = Sighting.RUNNING
    world.tick(2)
    assert world.state(job) is State.CANCELLED


def test_a_model_is_registered_before_its_job_succeeds(world: World) -> None:
    job = world.submit(register_as="digits")
    world.run(job)
    outcome = succeed(world.objects, job.id, 1)
    register = world.register
    away = Unavailable("The registry does not answer.")

    def fails(*_: object) -> None:
        raise away

    world.reconciler.attendant.register = fails
    world.tick()
    assert world.state(job) is State.RUNNING
    world.reconciler.attendant.register = register
    world.tick()
    assert world.state(job) is State.SUCCEEDED
    assert world.registered == [(job.id, outcome.best)]


def test_a_job_that_asks_for_no_model_gets_none(world: World) -> None:
    job = world.submit()
    world.run(job)
    succeed(world.objects, job.id, 1)
    world.tick()
    assert world.state(job) is State.SUCCEEDED
    assert world.registered == []


def test_an_attempt_that_does_not_exit_after_its_outcome_is_stopped(world: World) -> None:
    job = world.submit()
    world.run(job)
    succeed(world.objects, job.id, 1)
    world.tick(3)
    assert world.cluster.stops == []
    world.clock.turn(LEAVES_WITHIN.total_seconds())
    world.tick(3)
    assert world.cluster.stops == ["job-00001-1"]


def test_progress_follows_the_newest_metrics(world: World) -> None:
    job = world.submit(epochs=2, batch_size=100)
    world.run(job)
    rates = [50.0, 200.0, None]
    points = [point(step, images_per_second=rate) for step, rate in enumerate(rates, start=1)]
    measure(world.objects, job.id, 1, [*points, point(3, "val")])
    world.clock.turn(2)
    world.tick()
    seen = world.see(job).progress
    assert seen is not None
    assert (seen.step, seen.steps, seen.epoch, seen.epochs) == (3, 28, 1, 2)
    assert seen.images_per_second == pytest.approx(80)
    assert seen.eta_s == pytest.approx((28 - 3) * 100 / 80)
    succeed(world.objects, job.id, 1)
    world.tick()
    assert world.see(job).progress == replace(seen, eta_s=0.0)


def test_what_did_not_change_is_not_written(world: World) -> None:
    for number in range(1, 80):
        world.submit(number, workers=4)
    world.tick(3)
    written = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        if not statement.startswith("SELECT"):
            written.append(statement)

    event.listen(world.engine, "before_cursor_execute", note)
    world.reconciler.tick()
    assert written == []
