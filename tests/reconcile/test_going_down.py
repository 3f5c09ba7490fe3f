"""A service that is being stopped: what runs keeps a checkpoint, nothing new begins, and no retry is spent;
and a training that says why it needed no more steps."""

from service.cluster.cluster import Sighting
from service.lifecycle import State
from tests.jobs.making import NOW, measure, point
from tests.reconcile.world import World
from trainer.contract import attempts
from trainer.contract.attempts import Best, Outcome
from trainer.contract.reasons import Code, reason

STOPPED = reason(Code.CLUSTER_RESTARTED, "The service was stopped.")


def test_what_runs_is_asked_to_end_and_goes_on_from_there_at_no_cost(world: World) -> None:
    job = world.submit()
    world.run(job)
    assert not world.reconciler.at_rest()
    world.reconciler.end_attempts(STOPPED)
    world.tick()
    wish = world.wish(job)
    assert wish is not None
    assert wish.reason == STOPPED
    assert not world.reconciler.at_rest()
    world.train()
    world.tick()
    assert world.reconciler.at_rest()
    left = world.see(job)
    assert (left.state, left.attempt, left.retries) == (State.QUEUED, 1, 0)
    assert left.reason is not None
    assert left.reason.message.startswith("The service was stopped.")
    world.tick(5)
    assert world.see(job).attempt == 1
    world.restart()
    assert world.run(job).state is State.RUNNING
    assert world.see(job).attempt == 2


def test_nothing_new_begins(world: World) -> None:
    world.reconciler.end_attempts(STOPPED)
    job = world.submit()
    world.tick(5)
    assert world.state(job) is State.QUEUED
    assert world.cluster.starts == []
    assert world.reconciler.at_rest()


def test_one_that_is_being_paused_stays_paused(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.jobs.pause("default", job.id)
    world.reconciler.end_attempts(STOPPED)
    world.tick()
    assert not world.reconciler.at_rest()
    world.train()
    world.tick()
    assert world.state(job) is State.PAUSED


def test_one_that_has_not_begun_is_asked_too_and_nobody_waits_for_it(world: World) -> None:
    job = world.submit()
    world.tick()
    assert world.state(job) is State.STARTING
    world.reconciler.end_attempts(STOPPED)
    world.tick()
    assert world.wish(job) is not None
    assert world.reconciler.at_rest()


def test_a_job_that_stopped_early_says_so_and_at_which_step(world: World) -> None:
    job = world.submit()
    running = world.run(job)
    measure(world.objects, job.id, running.attempt, [point(step) for step in (1, 2, 7)])
    why = reason(Code.COMPLETED, "It stopped early, at step 7 of 330: no better.")
    final = point(7, "val")
    attempts.commit_outcome(
        world.objects,
        Outcome(
            job_id=job.id,
            attempt=running.attempt,
            status="succeeded",
            reason=why,
            final=final,
            best=Best(attempt=1, step=7, metrics=final),
            at=NOW,
        ),
    )
    world.cluster.submissions[f"{job.id}-{running.attempt}"] = Sighting.ENDED
    world.tick()
    done = world.see(job)
    assert (done.state, done.reason) == (State.SUCCEEDED, why)
    assert done.progress is not None
    assert (done.progress.step, done.progress.steps, done.progress.eta_s) == (7, 330, 0.0)
