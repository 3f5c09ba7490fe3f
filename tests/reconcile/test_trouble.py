"""Parts that are away, and several programs on one database."""

from pathlib import Path
from threading import Event, Thread

import pytest

from service.cluster.cluster import Sighting
from service.errors import ClusterUnavailable
from service.lifecycle import State
from service.reconcile.look import IN_A_ROW
from service.reconcile.loop import LEASE, LEASE_LASTS
from tests.jobs.making import fail, save_checkpoint, succeed
from tests.reconcile.world import World
from trainer.contract import attempts, layout
from trainer.contract.attempts import LEASE_S, Outcome, Started
from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code, reason


def test_a_silent_cluster_changes_no_job_and_is_asked_twice_a_tick(world: World) -> None:
    running = world.run(world.submit(1, workers=1))
    starting = world.submit(2, workers=1)
    world.tick()
    cancelling = world.submit(3, workers=1)
    world.tick()
    world.jobs.cancel("default", cancelling.id)
    queued = world.submit(4, workers=4)
    world.cluster.submissions["job-00003-1"] = Sighting.RUNNING
    before = [world.see(job) for job in (running, starting, cancelling)]
    world.cluster.silent, world.cluster.questions = True, 0
    world.tick(5)
    assert [world.see(job) for job in (running, starting, cancelling)] == before
    assert world.cluster.questions == 10
    assert world.state(queued) is State.QUEUED
    reason = world.see(queued).reason
    assert reason is not None
    assert reason.code is Code.WAITING_FOR_CLUSTER
    world.cluster.silent = False
    world.tick(2)
    assert world.state(cancelling) is State.CANCELLED


def test_a_job_that_ended_while_the_cluster_is_silent_is_seen_to_have_ended(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.cluster.silent = True
    succeed(world.objects, job.id, 1)
    world.tick()
    assert world.state(job) is State.SUCCEEDED


def test_an_attempt_that_could_not_write_is_not_given_up_when_there_is_room_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.run(world.submit())
    world.pass_time(LEASE_S / 2, job)

    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as while_full:
        while_full.setattr(type(world.objects), "create", full)
        world.tick(int(8 * LEASE_S))  # it can give no sign of life either
    world.tick(2)
    assert world.pass_time(LEASE_S, job).state is State.RUNNING
    assert attempts.read(world.objects, layout.outcome(job.id, 1), Outcome) is None


def test_a_silent_store_changes_no_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    running, starting = world.run(world.submit(1)), world.submit(2)
    world.tick()
    before = [world.see(job) for job in (running, starting)]

    def silent(*_: object) -> None:
        raise StoreUnavailable("the store does not answer")

    world.cluster.submissions.clear()
    with monkeypatch.context() as patch:
        for name in ("get", "put", "create", "list"):
            patch.setattr(type(world.objects), name, silent)
        world.tick(5)
    assert [world.see(job) for job in (running, starting)] == before
    world.tick()
    assert world.see(running).attempt == 2


def test_one_broken_job_stops_no_other(world: World) -> None:
    broken, whole = world.submit(1), world.submit(2)
    world.objects.put("jobs/job-00001", b"a file where the job's folder should be")
    world.tick(3)
    assert world.state(broken) is State.STARTING
    assert world.cluster.starts == ["job-00002-1"]
    assert world.state(whole) is State.STARTING


def test_an_attempt_that_the_cluster_did_not_take_is_offered_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit()

    def refuses(*_: object) -> None:
        raise ClusterUnavailable("Ray did not take it.")

    with monkeypatch.context() as patch:
        patch.setattr(world.cluster, "submit", refuses)
        world.tick(3)
    assert (world.state(job), world.see(job).attempt) == (State.STARTING, 1)
    world.tick()
    assert world.cluster.starts == ["job-00001-1"]


def test_of_two_programs_one_reconciles_and_the_other_takes_over(world: World) -> None:
    first = world.reconciler
    world.tick()
    second = world.restart()
    world.clock.turn(-LEASE_LASTS.total_seconds())
    job = world.submit()
    second.tick()
    assert world.state(job) is State.QUEUED
    assert second.capacity() is not None
    world.clock.turn(LEASE_LASTS.total_seconds())
    second.tick()
    first.tick()
    assert world.state(job) is State.STARTING
    assert world.cluster.starts == ["job-00001-1"]


def test_a_program_that_lost_its_lease_in_the_middle_of_a_tick_stops(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        world.submit(number)
    world.tick()
    sighting = world.cluster.sighting

    def slow(submission: str) -> Sighting:
        world.clock.turn(LEASE_LASTS.total_seconds())
        assert world.reconciler.leases.hold(LEASE, "another", now=world.clock(), ttl=LEASE_LASTS)
        return sighting(submission)

    world.train()
    monkeypatch.setattr(world.cluster, "sighting", slow)
    world.reconciler.tick()  # it has seen both begin, and does nothing about it
    assert [found.job.state for found in world.store.holding()] == [State.STARTING, State.STARTING]


def test_a_submission_for_a_job_that_ended_meanwhile_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit()
    submit = world.cluster.submit

    def slow(submission: str, entrypoint: str) -> None:
        other = World(world.engine, world.objects, world.clock, world.cluster)
        other.jobs.cancel("default", job.id)
        other.tick()
        assert other.state(job) is State.CANCELLED
        submit(submission, entrypoint)
        world.cluster.submissions[submission] = Sighting.RUNNING

    monkeypatch.setattr(world.cluster, "submit", slow)
    world.tick()
    world.clock.turn(LEASE_LASTS.total_seconds())
    world.tick()
    assert world.cluster.stops == ["job-00001-1"]
    assert world.state(job) is State.CANCELLED


def test_a_program_that_was_frozen_before_it_submitted_starts_nothing_that_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile another program gave the attempt up, and the job is at its next one."""
    job = world.submit()
    submit = world.cluster.submit
    other = World(world.engine, world.objects, world.clock, world.cluster)

    def frozen(submission: str, entrypoint: str) -> None:
        monkeypatch.setattr(world.cluster, "submit", submit)
        world.clock.turn(LEASE_LASTS.total_seconds())
        other.tick(2)  # it finds the order, and no submission: the attempt may have run
        assert other.see(job).attempt == 2
        submit(submission, entrypoint)

    monkeypatch.setattr(world.cluster, "submit", frozen)
    world.tick()
    assert world.cluster.starts == ["job-00001-2", "job-00001-1"]
    other.train()  # as the real ones do, the late attempt sees that it was given up
    assert world.cluster.submissions["job-00001-1"] is Sighting.ENDED
    other.tick()
    other.train()
    other.tick()
    assert (other.state(job), other.see(job).attempt) == (State.SUCCEEDED, 2)
    assert attempts.read(world.objects, layout.started(job.id, 1), Started) is None


def test_a_program_that_was_frozen_while_it_looked_gives_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit()
    world.run(job)
    other = World(world.engine, world.objects, world.clock, world.cluster)
    other.restart()
    world.clock.turn(-LEASE_LASTS.total_seconds())

    def frozen(submission: str) -> Sighting:
        monkeypatch.undo()
        other.clock.turn(LEASE_LASTS.total_seconds())
        other.tick()
        return Sighting.MISSING  # as it was then

    monkeypatch.setattr(world.cluster, "sighting", frozen)
    world.reconciler.tick()
    assert (world.state(job), world.see(job).attempt) == (State.RUNNING, 1)
    assert attempts.read(world.objects, layout.outcome(job.id, 1), Outcome) is None


def test_a_cluster_that_ends_every_attempt_costs_retries_in_the_end(world: World) -> None:
    job = world.submit(max_retries=2)
    for _ in range(IN_A_ROW + 2):
        world.run(job)
        world.cluster.submissions.clear()
        world.tick()
        world.clock.turn(10)
    assert world.state(job) is State.FAILED
    assert world.see(job).attempt == IN_A_ROW + 2
    assert world.see(job).retries == 2


def test_a_cluster_that_comes_back_after_each_checkpoint_costs_nothing(
    world: World, tmp_path: Path
) -> None:
    job = world.submit(max_retries=0)
    for attempt in range(1, 3 * IN_A_ROW):
        assert world.run(job).attempt == attempt
        save_checkpoint(world.objects, job.id, attempt, attempt, tmp_path)
        world.cluster.submissions.clear()
        world.tick()
    assert (world.state(job), world.see(job).retries) == (State.STARTING, 0)


def test_frozen_processes_of_an_attempt_are_stopped_after_a_restart_too(world: World) -> None:
    job = world.submit()
    world.run(job)
    fail(world.objects, job.id, 1, reason(Code.WORKER_LOST, "A worker was killed."))
    world.cluster.used = 4
    world.tick()
    world.restart()
    world.cluster.used = 0
    world.tick(2)
    assert world.state(job) is State.STARTING
    assert world.cluster.stops == ["job-00001-1"]


def test_further_parts_are_ticked_and_one_that_fails_stops_no_other(world: World) -> None:
    ticked = []

    def broken() -> None:
        raise RuntimeError("broken")

    world.also = (broken, lambda: ticked.append(world.clock()))
    world.restart()
    world.tick(2)
    assert len(ticked) == 2


def test_it_runs_until_it_is_told_to_stop_and_frees_its_lease(world: World) -> None:
    stop, job = Event(), world.submit()
    world.also = (stop.set,)
    thread = Thread(target=world.restart().run, args=(stop,))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert world.state(job) is State.STARTING
    assert world.reconciler.leases.hold(LEASE, "another", now=world.clock(), ttl=LEASE_LASTS)
