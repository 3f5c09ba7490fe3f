"""Making jobs, and looking at them: what is promised of both kinds of database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from service.cluster.cluster import Capacity
from service.errors import (
    ClusterUnavailable,
    IdempotencyMismatch,
    Invalid,
    NotFound,
    QuotaExceeded,
)
from service.lifecycle import Job, State
from tests.jobs.conftest import World, asked
from tests.jobs.test_fit import node
from trainer.contract.reasons import Code


def test_a_new_job_waits_in_line_with_every_default_decided(world: World) -> None:
    job, replayed = world.jobs.create("default", asked())
    assert not replayed
    assert (job.state, job.attempt, job.spec.workers) == (State.QUEUED, 0, 2)
    assert job.reason is not None
    assert job.reason.code is Code.WAITING_IN_LINE
    assert world.jobs.get("default", job.id) == job
    assert [event.to_state for event in world.jobs.events("default", job.id)] == [State.QUEUED]


def test_a_job_that_is_too_large_for_the_cluster_is_told_at_once(world: World) -> None:
    job, _ = world.jobs.create("default", asked(workers=64))
    assert job.reason is not None
    assert "64 CPUs at once and the whole cluster has 4" in job.reason.message


def test_defaults_use_the_clusters_gpus(world: World) -> None:
    world.capacity = Capacity((node(16, 4), node(16, 4)))
    job, _ = world.jobs.create("default", asked())
    assert (job.spec.workers, job.spec.gpus_per_worker) == (8, 1)


def test_defaults_are_not_guessed_for_a_cluster_that_nobody_has_seen(world: World) -> None:
    world.capacity = None
    with pytest.raises(ClusterUnavailable, match="gpus_per_worker"):
        world.jobs.create("default", asked())
    job, _ = world.jobs.create("default", asked(gpus_per_worker=0))
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
            ask("default", asked(**fields))
        assert refused.value.field == field
    assert world.jobs.page("default").items == ()


def test_a_plan_makes_no_job(world: World) -> None:
    assert world.jobs.plan("default", asked()).spec.workers == 2
    assert world.jobs.page("default").items == ()


def test_the_same_key_with_the_same_body_answers_the_first_answer(world: World) -> None:
    first, _ = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="a")
    world.start(first)
    world.capacity = None
    again = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="a")
    assert again == (first, True)
    assert len(world.jobs.page("default").items) == 1


def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    first, _ = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="a")
    with pytest.raises(IdempotencyMismatch, match=first.id):
        world.jobs.create("default", asked(), idempotency_key="k", body_sha256="b")


def test_a_key_belongs_to_its_project(world: World) -> None:
    first, _ = world.jobs.create("one", asked(), idempotency_key="k", body_sha256="a")
    second, replayed = world.jobs.create("two", asked(), idempotency_key="k", body_sha256="b")
    assert not replayed
    assert first.id != second.id


def test_a_key_is_free_again_after_a_day(world: World) -> None:
    first, _ = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="a")
    world.clock.turn(24 * 3600 + 1)
    second, replayed = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="b")
    assert not replayed
    assert second.id != first.id


def test_many_equal_requests_at_once_make_one_job(world: World) -> None:
    def create(_: int) -> tuple[Job, bool]:
        return world.jobs.create("default", asked(), idempotency_key="k", body_sha256="a")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(16)))
    assert len({job.id for job, _ in answers}) == 1
    assert sum(not replayed for _, replayed in answers) == 1
    assert len(world.jobs.page("default").items) == 1


@pytest.mark.parametrize("job_id", ["job-none", "job-\0", "../job", "job-00001\n", ""])
def test_what_is_no_job_is_not_found(world: World, job_id: str) -> None:
    world.jobs.create("default", asked())
    for ask in (
        world.jobs.get,
        world.jobs.cancel,
        world.jobs.events,
        world.jobs.pause,
        world.jobs.resume,
        world.jobs.delete,
        world.jobs.records.metrics,
        world.jobs.records.logs,
        world.jobs.records.checkpoints,
    ):
        with pytest.raises(NotFound):
            ask("default", job_id)


def test_a_cursor_or_label_that_cannot_be_is_refused(world: World) -> None:
    with pytest.raises(Invalid, match="next_cursor"):
        world.jobs.page("default", cursor="\0")
    with pytest.raises(Invalid, match="NUL"):
        world.jobs.page("default", label=("a", "\0"))


def test_a_project_over_its_quota_makes_no_job_and_its_key_stays_free(world: World) -> None:
    def full(project: str) -> None:
        raise QuotaExceeded(f"{project} has 1 live job; wait for it.")

    limited = replace(world.jobs, check_quota=full)
    with pytest.raises(QuotaExceeded):
        limited.create("default", asked(), idempotency_key="k", body_sha256="a")
    assert world.jobs.page("default").items == ()
    with pytest.raises(Invalid):  # what cannot be meant is said first
        limited.create("default", asked(dataset="digit"))
    _, replayed = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="b")
    assert not replayed


def test_a_request_that_was_answered_is_answered_again_over_the_quota(world: World) -> None:
    """Also when the first of two equal ones reaches the quota while the second is checked."""

    def full(project: str) -> None:
        world.jobs.create(project, asked(), idempotency_key="k", body_sha256="a")
        raise QuotaExceeded("It has 1 live job; wait for it.")

    limited = replace(world.jobs, check_quota=full)
    _, replayed = limited.create("default", asked(), idempotency_key="k", body_sha256="a")
    assert replayed
    assert len(world.jobs.page("default").items) == 1


def test_a_key_answers_as_first_even_when_the_job_is_gone(world: World) -> None:
    first, _ = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="a")
    world.jobs.cancel("default", first.id)
    world.jobs.delete("default", first.id)
    again = world.jobs.create("default", asked(), idempotency_key="k", body_sha256="a")
    assert again == (first, True)
    assert world.jobs.page("default").items == ()
