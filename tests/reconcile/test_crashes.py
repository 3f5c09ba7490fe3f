"""The program may die at any act: whatever follows, no attempt starts twice and every job ends."""

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import IllegalTransition
from service.lifecycle import HOLDING, TERMINAL, Job, State
from service.reconcile.lease import LOOK_EVERY
from tests.jobs.making import fail
from tests.reconcile.world import Died, Fuse, World
from trainer.contract.names import submission_id
from trainer.contract.reasons import Code, reason

MAX_RUNTIME = 1000.0
"""Seconds; more than anything takes in which time itself is not what happens."""
LONG_ENOUGH = 60
"""Ticks after which any job has ended, with all its retries."""


def _lose(world: World, job: Job) -> None:
    """The attempt's process is killed."""
    if world.see(job).state in HOLDING:
        world.end(world.see(job))


def _forget(world: World, job: Job) -> None:
    world.cluster.submissions.clear()


def _cancel(world: World, job: Job) -> None:
    try:
        world.jobs.cancel("default", job.id)
    except IllegalTransition:
        assert world.state(job) in TERMINAL


def _fail(world: World, job: Job) -> None:
    now = world.see(job)
    if now.state in HOLDING and submission_id(now.id, now.attempt) in world.cluster.submissions:
        fail(world.objects, now.id, now.attempt, reason(Code.WORKER_LOST, "A worker was killed."))
        world.end(now)


def _pause(world: World, job: Job) -> None:
    try:
        world.jobs.pause("default", job.id)
    except IllegalTransition:
        assert world.state(job) in TERMINAL | {State.CANCELLING}


def _resume(world: World, job: Job) -> None:
    if world.state(job) in (State.PAUSED, State.FAILED, State.CANCELLED):
        world.jobs.resume("default", job.id)


def _fall_silent(world: World, job: Job) -> None:
    """Its driver and its workers are frozen for longer than the lease."""
    if world.see(job).attempt:
        world.beat(job)
    for _ in range(10):
        world.tick()
        world.clock.turn(LOOK_EVERY.total_seconds())


def _outlast(world: World, job: Job) -> None:
    """It runs for longer than it may."""
    world.clock.turn(MAX_RUNTIME)
    world.tick()


def _nothing(world: World, job: Job) -> None:
    pass


Event = Callable[[World, Job], None]


def _check(world: World, job: Job) -> None:
    """What is true of every job that has ended."""
    assert world.state(job) in TERMINAL
    mine = [start for start in world.cluster.starts if start.startswith(job.id)]
    assert len(mine) == len(set(mine)), "an attempt was started twice"
    steps = [(e.from_state, e.to_state) for e in world.store.events(job.id)]
    assert [before for before, _ in steps] == [None, *(after for _, after in steps[:-1])]
    assert steps[-1][1] is world.state(job)
    if world.state(job) is State.SUCCEEDED:
        assert [made for made, _ in world.registered].count(job.id) == 1


def _live(world: World, job: Job, happens: Event) -> bool:
    """A life in which `happens` comes when the job is seen running; whether it ever was."""
    happened = False
    for _ in range(LONG_ENOUGH):
        if world.state(job) in TERMINAL:
            return happened
        try:
            world.tick()
            if not happened and world.state(job) is State.RUNNING:
                happened = True
                happens(world, job)
                continue
        except Died:
            world.restart()
        if world.state(job) is State.PAUSED:
            world.jobs.resume("default", job.id)
        world.train()
    pytest.fail(f"{world.see(job)} did not end")


ENDS_IN: dict[Event, set[State]] = {
    _nothing: {State.SUCCEEDED},
    _lose: {State.SUCCEEDED},
    _fail: {State.SUCCEEDED},
    _forget: {State.SUCCEEDED},
    _fall_silent: {State.SUCCEEDED},
    _pause: {State.SUCCEEDED},
    _outlast: {State.FAILED, State.SUCCEEDED},  # it may come to its end before it is asked
    _cancel: {State.CANCELLED},
}
"""What may happen to a running job, and how it ends."""


@pytest.mark.parametrize("happens", ENDS_IN)
def test_a_program_that_dies_at_any_act_loses_and_doubles_nothing(
    world: World, happens: Event
) -> None:
    for number in count(1):
        fuse = Fuse(burns_at=number)
        world.restart(fuse)
        job = world.submit(number, register_as="digits", workers=4, max_runtime=MAX_RUNTIME)
        happened = _live(world, job, happens)
        _check(world, job)
        assert world.state(job) in (ENDS_IN[happens] if happened else {State.SUCCEEDED})
        if fuse.passed < number:  # the whole life went by before the fuse burnt
            assert happened
            assert number > 12
            return


MOMENTS: dict[str, Event] = {
    "tick": lambda world, job: world.tick(),
    "train": lambda world, job: world.train(),
    "silence": lambda world, job: setattr(world.cluster, "silent", True),
    "answer": lambda world, job: setattr(world.cluster, "silent", False),
    "lose": _lose,
    "fail": _fail,
    "forget": _forget,
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "fall silent": _fall_silent,
    "outlast": _outlast,
}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    moments=st.lists(st.sampled_from(sorted(MOMENTS)), max_size=25),
    deaths=st.lists(st.integers(1, 12), max_size=4),
)
def test_whatever_happens_in_whatever_order_every_job_ends(
    world: World, moments: list[str], deaths: list[int]
) -> None:
    number = world.reconcilers
    job = world.submit(number, register_as="digits", workers=4, max_runtime=MAX_RUNTIME)
    fuses = [Fuse(burns_at=at) for at in deaths]
    world.restart(fuses.pop() if fuses else None)
    for moment in moments:
        try:
            MOMENTS[moment](world, job)
        except Died:
            world.restart(fuses.pop() if fuses else None)
    world.cluster.silent = False
    world.restart()
    _live(world, job, _nothing)
    _check(world, job)


def test_an_attempt_is_not_started_again_when_the_cluster_dies_with_the_program(
    world: World,
) -> None:
    for number in count(1):
        fuse = Fuse(burns_at=number)
        world.restart(fuse)
        job = world.submit(number, register_as="digits", workers=4, max_retries=0)
        try:
            world.tick()
        except Died:
            _forget(world, job)
            world.restart()
        _live(world, job, _nothing)
        _check(world, job)
        assert world.state(job) is State.SUCCEEDED
        if fuse.passed < number:
            return
