"""Cancel, pause, resume, change and delete, as they are kept: also when something else happens at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from service.errors import IllegalTransition, Invalid, NotFound, QuotaExceeded
from service.jobs.control import More
from service.jobs.service import Jobs
from service.jobs.store import Filter, JobStore
from service.lifecycle import Job, State
from tests.jobs.conftest import World, asked
from tests.jobs.making import NOW, begin, save_checkpoint
from trainer.contract.reasons import Code
from trainer.contract.spec import ResolvedSpec


def made(world: World, **fields: object) -> Job:
    job, _ = world.jobs.create("default", asked(**fields))
    return job


def succeeded(world: World, **fields: object) -> Job:
    running = world.move(world.start(made(world, **fields)), State.RUNNING, Code.RUNNING)
    return world.move(running, State.SUCCEEDED, Code.COMPLETED)


def test_a_job_that_never_started_is_cancelled_at_once(world: World) -> None:
    cancelled = world.jobs.cancel("default", made(world).id)
    assert cancelled.state is State.CANCELLED
    assert cancelled.ended_at == world.clock()
    assert world.jobs.get("default", cancelled.id) == cancelled
    events = world.jobs.events("default", cancelled.id)
    assert [(event.from_state, event.to_state) for event in events] == [
        (None, State.QUEUED),
        (State.QUEUED, State.CANCELLING),
        (State.CANCELLING, State.CANCELLED),
    ]
    assert {event.reason.code for event in events[1:] if event.reason} == {Code.CANCELLED_BY_USER}


def test_a_job_that_may_run_is_cancelled_by_the_reconciler(world: World) -> None:
    job = world.start(made(world))
    first = world.jobs.cancel("default", job.id)
    assert first.state is State.CANCELLING
    assert world.jobs.cancel("default", job.id) == first
    assert len(world.jobs.events("default", job.id)) == 3


def test_an_ended_job_cannot_be_cancelled(world: World) -> None:
    job = made(world)
    world.jobs.cancel("default", job.id)
    with pytest.raises(IllegalTransition):
        world.jobs.cancel("default", job.id)


def test_a_queued_job_is_paused_and_resumed_and_cancelled(world: World) -> None:
    job = made(world)
    paused = world.jobs.pause("default", job.id)
    assert (paused.state, paused.attempt) == (State.PAUSED, 0)
    assert world.jobs.pause("default", job.id) == paused
    assert world.jobs.store.line("default", now=NOW, limit=9) == []
    world.clock.turn(60)
    waiting = world.jobs.resume("default", job.id)
    assert waiting.queued_at == NOW + timedelta(seconds=60)
    assert world.jobs.resume("default", job.id) == waiting
    world.jobs.pause("default", job.id)
    world.jobs.cancel("default", job.id)
    assert world.states(job) == [
        *(State.QUEUED, State.PAUSING, State.PAUSED, State.QUEUED, State.PAUSING, State.PAUSED),
        *(State.CANCELLING, State.CANCELLED),
    ]


def test_a_job_that_may_run_is_paused_by_the_reconciler(world: World) -> None:
    job = world.start(made(world))
    assert world.jobs.pause("default", job.id).state is State.PAUSING
    assert [held.job.state for held in world.jobs.store.holding()] == [State.PAUSING]


def test_a_new_length_is_more_than_the_last_checkpoint_has(world: World, tmp_path: Path) -> None:
    job = succeeded(world, epochs=2)
    assert isinstance(job.spec, ResolvedSpec)
    begin(world.objects, job.id, 1)
    save_checkpoint(world.objects, job.id, 1, job.spec.iterations, tmp_path)
    with pytest.raises(Invalid, match="at least 3"):
        world.jobs.resume("default", job.id, More(epochs=2))
    longer = world.jobs.resume("default", job.id, More(epochs=5))
    assert world.jobs.get("default", job.id) == longer
    assert isinstance(longer.spec, ResolvedSpec)
    assert longer.spec.epochs == 5
    assert longer.result is None
    world.jobs.pause("default", job.id)
    with pytest.raises(Invalid, match=f"from step {job.spec.iterations}"):
        world.jobs.resume("default", job.id, More(epochs=1))


def test_a_job_that_lives_again_counts_for_the_quota(world: World) -> None:
    def full(project: str) -> None:
        raise QuotaExceeded(f"{project} has 1 live job; wait for it.")

    limited = replace(world.jobs, check_quota=full)
    ended, waiting = made(world), made(world)
    world.jobs.cancel("default", ended.id)
    with pytest.raises(QuotaExceeded):
        limited.resume("default", ended.id)
    world.jobs.pause("default", waiting.id)
    assert limited.resume("default", waiting.id).state is State.QUEUED  # it counted all the time


def test_a_change_is_kept_with_the_labels_jobs_are_found_by(world: World) -> None:
    job = made(world, name="a", labels={"team": "vision", "x": "1"})
    changed = world.jobs.change(
        "default", job.id, {"priority": 5, "name": None, "labels": {"team": "speech"}}
    )
    assert world.jobs.get("default", job.id) == changed
    assert (changed.spec.priority, changed.spec.name) == (5, None)

    def found(key: str, value: str) -> list[str]:
        page = world.jobs.store.page("default", Filter(label=(key, value)), limit=9, cursor=None)
        return [job.id for job in page.items]

    assert found("team", "speech") == [job.id]
    assert found("team", "vision") == found("x", "1") == []
    assert world.states(job) == [State.QUEUED]
    with pytest.raises(Invalid, match="NUL"):
        world.jobs.change("default", job.id, {"labels": {"a": "\0"}})


def test_a_higher_priority_moves_a_job_in_the_line(world: World) -> None:
    first, second = made(world), made(world)
    world.jobs.change("default", second.id, {"priority": 1})
    line = world.jobs.store.line("default", now=NOW, limit=9)
    assert [job.id for job in line] == [second.id, first.id]


def test_a_deleted_job_is_not_there_and_its_objects_are_left_to_the_reconciler(
    world: World,
) -> None:
    job = made(world, labels={"a": "b"})
    with pytest.raises(IllegalTransition, match="cancel it first"):
        world.jobs.delete("default", job.id)
    world.jobs.cancel("default", job.id)
    with pytest.raises(NotFound):
        world.jobs.delete("another", job.id)
    world.jobs.delete("default", job.id)
    for ask in (world.jobs.get, world.jobs.delete, world.jobs.resume, world.jobs.events):
        with pytest.raises(NotFound):
            ask("default", job.id)
    assert [one.job_id for one in world.jobs.store.trash(world.clock(), limit=9)] == [job.id]


@pytest.mark.parametrize("ask", ["cancel", "pause"])
def test_a_request_and_a_start_at_once_lose_neither(world: World, ask: str) -> None:
    job = made(world)
    state = getattr(_meanwhile(world, world.start), ask)("default", job.id).state
    assert world.states(job) == [State.QUEUED, State.STARTING, state]
    assert state in (State.CANCELLING, State.PAUSING)


def test_a_change_and_a_start_at_once_lose_neither(world: World) -> None:
    job = made(world)
    changed = _meanwhile(world, world.start).change("default", job.id, {"name": "new"})
    assert (changed.state, changed.spec.name) == (State.STARTING, "new")


def test_a_job_that_is_resumed_while_it_is_deleted_stays(world: World) -> None:
    job = world.jobs.cancel("default", made(world).id)
    racing = _meanwhile(world, lambda _: world.jobs.resume("default", job.id))
    with pytest.raises(IllegalTransition, match="is queued"):
        racing.delete("default", job.id)
    assert world.jobs.get("default", job.id).state is State.QUEUED


def _meanwhile(world: World, happens: Callable[[Job], object]) -> Jobs:
    """The same jobs, but once something happens between a read and what follows from it."""
    read, left = world.jobs.store.get, [happens]

    def get(project: str, job_id: str) -> Job | None:
        found = read(project, job_id)
        if found and left:
            left.pop()(found)
        return found

    return replace(world.jobs, store=_Store(world.jobs.store.engine, get))


@dataclass(frozen=True)
class _Store(JobStore):
    read: Callable[[str, str], Job | None]

    def get(self, project: str, job_id: str) -> Job | None:
        return self.read(project, job_id)
