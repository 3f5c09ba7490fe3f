from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.cluster.cluster import Capacity
from service.errors import (
    ClusterUnavailable,
    IdempotencyMismatch,
    IllegalTransition,
    Invalid,
    NotFound,
)
from service.jobs.service import Jobs
from service.jobs.store import JobStore
from service.lifecycle import Job, State, advance
from service.models.store import ModelStore
from tests.jobs.making import Clock, begin, measure, point, save_checkpoint
from tests.jobs.test_fit import node
from trainer.contract import layout
from trainer.contract.attempts import LogLine
from trainer.contract.journal import JournalWriter
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code
from trainer.contract.spec import TrainSpec


@dataclass
class World:
    """A service without HTTP, a cluster that a test describes, and a clock that it turns."""

    jobs: Jobs
    objects: LocalStore
    clock: Clock
    capacity: Capacity | None


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    objects, clock, numbers = LocalStore(tmp_path / "store"), Clock(), count(1)
    seen: list[World] = []
    jobs = Jobs(
        store=JobStore(engine),
        objects=objects,
        capacity=lambda: seen[0].capacity,
        clock=clock,
        new_id=lambda: f"job-{next(numbers):05d}",
        registry=ModelStore(engine),
    )
    seen.append(World(jobs, objects, clock, Capacity((node(4),))))
    return seen[0]


def _spec(**fields: object) -> TrainSpec:
    return TrainSpec.model_validate({"arch": "resnet20", "dataset": "digits"} | fields)


def _start(world: World, job: Job) -> Job:
    starting = advance(job, State.STARTING, at=world.clock())
    world.jobs.store.save(starting, was=job)
    return starting


def test_a_new_job_waits_in_line_with_every_default_decided(world: World) -> None:
    job, replayed = world.jobs.create("default", _spec())
    assert not replayed
    assert (job.state, job.attempt, job.spec.workers) == (State.QUEUED, 0, 2)
    assert job.reason is not None
    assert job.reason.code is Code.WAITING_IN_LINE
    assert world.jobs.get("default", job.id) == job
    assert [event.to_state for event in world.jobs.events("default", job.id)] == [State.QUEUED]


def test_a_job_that_is_too_large_for_the_cluster_is_told_at_once(world: World) -> None:
    job, _ = world.jobs.create("default", _spec(workers=64))
    assert job.reason is not None
    assert "64 CPUs at once and the whole cluster has 4" in job.reason.message


def test_defaults_use_the_clusters_gpus(world: World) -> None:
    world.capacity = Capacity((node(16, 4), node(16, 4)))
    job, _ = world.jobs.create("default", _spec())
    assert (job.spec.workers, job.spec.gpus_per_worker) == (8, 1)


def test_defaults_are_not_guessed_for_a_cluster_that_nobody_has_seen(world: World) -> None:
    world.capacity = None
    with pytest.raises(ClusterUnavailable, match="gpus_per_worker"):
        world.jobs.create("default", _spec())
    job, _ = world.jobs.create("default", _spec(gpus_per_worker=0))
    assert job.reason is not None
    assert job.reason.code is Code.WAITING_FOR_CLUSTER


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"dataset": "digit"}, "dataset", "digits"),
        ({"arch": "resnet21"}, "arch", "20"),
        ({"batch_size": 60_000}, "batch_size", "smaller"),
        ({"labels": {"a": "\0"}}, "labels", "NUL"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_how_to_mend_it(
    world: World, fields: dict[str, object], field: str, says: str
) -> None:
    for ask in (world.jobs.plan, world.jobs.create):
        with pytest.raises(Invalid, match=says) as refused:
            ask("default", _spec(**fields))
        assert refused.value.field == field
    assert world.jobs.page("default").items == ()


def test_a_plan_makes_no_job(world: World) -> None:
    assert world.jobs.plan("default", _spec()).spec.workers == 2
    assert world.jobs.page("default").items == ()


def test_the_same_key_with_the_same_body_answers_the_first_answer(world: World) -> None:
    first, _ = world.jobs.create("default", _spec(), idempotency_key="k", body_sha256="a")
    _start(world, first)
    world.capacity = None
    again = world.jobs.create("default", _spec(), idempotency_key="k", body_sha256="a")
    assert again == (first, True)
    assert len(world.jobs.page("default").items) == 1


def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    first, _ = world.jobs.create("default", _spec(), idempotency_key="k", body_sha256="a")
    with pytest.raises(IdempotencyMismatch, match=first.id):
        world.jobs.create("default", _spec(), idempotency_key="k", body_sha256="b")


def test_a_key_belongs_to_its_project(world: World) -> None:
    first, _ = world.jobs.create("one", _spec(), idempotency_key="k", body_sha256="a")
    second, replayed = world.jobs.create("two", _spec(), idempotency_key="k", body_sha256="b")
    assert not replayed
    assert first.id != second.id


def test_a_key_is_free_again_after_a_day(world: World) -> None:
    first, _ = world.jobs.create("default", _spec(), idempotency_key="k", body_sha256="a")
    world.clock.turn(24 * 3600 + 1)
    second, replayed = world.jobs.create("default", _spec(), idempotency_key="k", body_sha256="b")
    assert not replayed
    assert second.id != first.id


def test_many_equal_requests_at_once_make_one_job(world: World) -> None:
    def create(_: int) -> tuple[Job, bool]:
        return world.jobs.create("default", _spec(), idempotency_key="k", body_sha256="a")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(16)))
    assert len({job.id for job, _ in answers}) == 1
    assert sum(not replayed for _, replayed in answers) == 1
    assert len(world.jobs.page("default").items) == 1


@pytest.mark.parametrize("job_id", ["job-none", "job-\0", "../job", "job-00001\n", ""])
def test_what_is_no_job_is_not_found(world: World, job_id: str) -> None:
    world.jobs.create("default", _spec())
    for ask in (
        world.jobs.get,
        world.jobs.cancel,
        world.jobs.events,
        world.jobs.metrics,
        world.jobs.logs,
        world.jobs.checkpoints,
    ):
        with pytest.raises(NotFound):
            ask("default", job_id)


def test_a_cursor_or_label_that_cannot_be_is_refused(world: World) -> None:
    with pytest.raises(Invalid, match="next_cursor"):
        world.jobs.page("default", cursor="\0")
    with pytest.raises(Invalid, match="NUL"):
        world.jobs.page("default", label=("a", "\0"))


def test_a_job_that_never_started_is_cancelled_at_once(world: World) -> None:
    job, _ = world.jobs.create("default", _spec())
    cancelled = world.jobs.cancel("default", job.id)
    assert cancelled.state is State.CANCELLED
    assert cancelled.ended_at == world.clock()
    assert world.jobs.get("default", job.id) == cancelled
    events = world.jobs.events("default", job.id)
    assert [(event.from_state, event.to_state) for event in events] == [
        (None, State.QUEUED),
        (State.QUEUED, State.CANCELLING),
        (State.CANCELLING, State.CANCELLED),
    ]
    assert {event.reason.code for event in events[1:] if event.reason} == {Code.CANCELLED_BY_USER}


def test_a_job_that_may_run_is_cancelled_by_the_reconciler(world: World) -> None:
    job, _ = world.jobs.create("default", _spec())
    _start(world, job)
    first = world.jobs.cancel("default", job.id)
    assert first.state is State.CANCELLING
    assert world.jobs.cancel("default", job.id) == first
    assert len(world.jobs.events("default", job.id)) == 3


def test_an_ended_job_cannot_be_cancelled(world: World) -> None:
    job, _ = world.jobs.create("default", _spec())
    world.jobs.cancel("default", job.id)
    with pytest.raises(IllegalTransition):
        world.jobs.cancel("default", job.id)


def test_a_cancel_and_a_start_at_once_lose_neither(world: World) -> None:
    job, _ = world.jobs.create("default", _spec())
    read = world.jobs.store.get

    def start_meanwhile(project: str, job_id: str) -> Job | None:
        found = read(project, job_id)
        if found and found.state is State.QUEUED:
            _start(world, found)
        return found

    racing = replace(world.jobs, store=_Store(world.jobs.store.engine, start_meanwhile))
    assert racing.cancel("default", job.id).state is State.CANCELLING
    assert [event.to_state for event in world.jobs.events("default", job.id)] == [
        State.QUEUED,
        State.STARTING,
        State.CANCELLING,
    ]


@dataclass(frozen=True)
class _Store(JobStore):
    """Something else happens between a read and what follows from it."""

    read: Callable[[str, str], Job | None]

    def get(self, project: str, job_id: str) -> Job | None:
        return self.read(project, job_id)


def test_metrics_and_checkpoints_are_read_over_all_attempts(world: World, tmp_path: Path) -> None:
    job, _ = world.jobs.create("default", _spec())
    _start(world, job)
    begin(world.objects, job.id, 1)
    measure(world.objects, job.id, 1, [point(1), point(2), point(2, "val")])
    prefix = save_checkpoint(world.objects, job.id, 1, 2, tmp_path)
    assert len(world.jobs.metrics("default", job.id)) == 3
    assert world.jobs.metrics("default", job.id, split="val") == [point(2, "val")]
    assert [found.prefix for found in world.jobs.checkpoints("default", job.id)] == [prefix]


def test_a_file_of_a_listed_checkpoint_can_be_fetched_and_no_other(
    world: World, tmp_path: Path
) -> None:
    job, _ = world.jobs.create("default", _spec())
    _start(world, job)
    begin(world.objects, job.id, 1)
    save_checkpoint(world.objects, job.id, 1, 2, tmp_path)
    entry, pieces = world.jobs.checkpoint_file("default", job.id, 2, "model.safetensors")
    body = b"".join(pieces)
    assert (body, entry.size) == (b"weights of step 2", len(body))
    for step, name in [(3, "model.safetensors"), (2, "manifest.json"), (2, "../2/x"), (2, "")]:
        with pytest.raises(NotFound):
            world.jobs.checkpoint_file("default", job.id, step, name)


def test_logs_are_filtered_by_what_is_asked(world: World) -> None:
    job, _ = world.jobs.create("default", _spec())
    _start(world, job)
    written = [("driver", "info", "Placed"), ("0", "warning", "slow DISK"), ("0", "debug", "step")]
    for rank, level, message in written:
        line = {"time": world.clock(), "level": level, "rank": rank, "message": message}
        record = LogLine.model_validate(line).model_dump(mode="json")
        JournalWriter(world.objects, layout.logs(job.id, 1, f"{rank}{level}")).append([record])

    def messages(**asked: object) -> list[str]:
        return sorted(
            line.message
            for line in world.jobs.logs("default", job.id, **asked)  # type: ignore[arg-type]
        )

    assert messages() == ["Placed", "slow DISK", "step"]
    assert messages(attempt=2) == []
    assert messages(attempt=1, rank="0") == ["slow DISK", "step"]
    assert messages(level="info") == ["Placed", "slow DISK"]
    assert messages(q="disk") == ["slow DISK"]
