"""Whose turn it is between projects, and what quotas hold back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from service.cluster.cluster import Capacity
from service.jobs import fit
from service.lifecycle import Job, State
from service.reconcile import line
from service.reconcile.admit import Admission, admit
from service.reconcile.fair import Turns
from tests.jobs.making import NOW, job, succeed
from tests.jobs.test_fit import node
from tests.reconcile.world import Quota, World
from trainer.contract.asked import Demand
from trainer.contract.reasons import Code


def _queued(project: str, number: int, **fields: Any) -> Job:
    made = job(number, **fields)
    return replace(made, project=project, created_at=NOW + timedelta(seconds=number))


def _order(
    held: dict[str, float], *queued: Job, cpus: float = 8, lately: dict[str, float] | None = None
) -> list[str]:
    """Projects in the order of the turns of their jobs, each of which takes what it needs."""
    projects = {one.project for one in queued}
    turns = Turns(
        lines={p: iter([one for one in queued if one.project == p]) for p in projects},
        turns=dict.fromkeys(projects, 0.0),  # or lower than they are
        whole=Demand(cpus=cpus, gpus=4),
        held={project: Demand(cpus=has, gpus=0) for project, has in held.items()},
        lately=lately or {},
    )
    found = []
    for one in turns:
        turns.take(one, one.spec.demand)
        found.append(one.project)
    return found


def test_the_project_that_holds_the_least_is_next() -> None:
    jobs = [_queued("a", 1), _queued("b", 2), _queued("c", 3)]
    assert _order({"a": 3, "b": 1, "c": 2}, *jobs) == ["b", "c", "a"]


def test_a_project_with_many_jobs_does_not_hold_up_one_with_few() -> None:
    many = [_queued("many", number) for number in range(1, 6)]
    assert _order({}, *many, _queued("few", 9)) == ["many", "few", *["many"] * 4]


def test_of_equal_projects_the_one_that_waited_longer_is_next() -> None:
    assert _order({}, _queued("a", 2), _queued("b", 1)) == ["b", "a"]


def test_what_a_project_held_lately_counts_as_what_it_holds() -> None:
    jobs = [*(_queued("a", number) for number in range(1, 5)), _queued("b", 8), _queued("b", 9)]
    # Its mean was a quarter of the cluster: two of its jobs.
    assert _order({}, *jobs, lately={"a": 0.25}) == ["b", "b", *["a"] * 4]
    assert _order({"b": 2}, *jobs, lately={"a": 0.25})[:2] == ["a", "b"]


def test_a_share_is_of_the_resource_of_which_a_project_has_most() -> None:
    gpus = [_queued("gpus", number, gpus_per_worker=1) for number in (1, 2)]
    cpus = [_queued("cpus", number) for number in (3, 4)]
    # A GPU is a quarter of all, and a CPU an eighth.
    assert _order({}, *gpus, *cpus) == ["gpus", "cpus", "cpus", "gpus"]


def _admit(quota: Quota, *queued: Job, holds: float = 0) -> Admission:
    capacity = Capacity((node(8),))
    held = {"default": Demand(cpus=holds, gpus=0)}
    turns = Turns({"default": iter(queued)}, {"default": 0.0}, Demand(cpus=8, gpus=0), held)
    rooms = fit.free(capacity, held["default"])
    return admit(turns, fit.whole(capacity), rooms, {"default": quota}.get, most=100)


def test_a_job_over_its_projects_quota_waits_for_the_projects_own_jobs() -> None:
    found = _admit(Quota(cpus=3), job(1, workers=2), job(2, workers=1), holds=2)
    assert found.start == []
    why = found.reasons["job-00001"]
    assert why.code is Code.WAITING_FOR_QUOTA
    assert why.message == ("It needs 2 CPUs, and its project holds 2 of the 3 that it may have.")
    assert "job-00002" not in found.reasons  # nobody of the project overtakes it


def test_a_job_that_no_quota_will_ever_hold_holds_back_nobody() -> None:
    found = _admit(Quota(cpus=3), job(1, workers=4), job(2, workers=1))
    assert [one.id for one in found.start] == ["job-00002"]
    assert found.reasons["job-00001"].message == (
        "It needs 4 CPUs at once and its project may have 3; it starts when that is raised."
    )


def test_a_quota_of_gpus_is_one_too() -> None:
    found = _admit(Quota(gpus=0), job(1))
    assert [one.id for one in found.start] == ["job-00001"]


def test_an_elastic_job_has_as_many_workers_as_its_quota_allows() -> None:
    found = _admit(Quota(cpus=5), job(1, workers={"min": 1, "max": 8}), holds=2)
    assert [one.workers for one in found.start] == [3]


def test_a_project_over_its_quota_holds_back_no_other(world: World) -> None:
    world.quotas["limited"] = Quota(cpus=1)
    jobs = [world.submit(number, project="limited", workers=1) for number in (1, 2)]
    other = world.submit(3, workers=2)
    world.tick(2)
    assert [world.state(one) for one in (*jobs, other)] == [
        State.STARTING,
        State.QUEUED,
        State.STARTING,
    ]


def test_a_big_job_gets_its_turn_though_others_keep_coming(world: World) -> None:
    small = world.run(world.submit(1, workers=1))
    world.cluster.used = 1
    big = world.submit(2, project="big", workers=4)
    world.tick()
    later = [world.submit(number, workers=1) for number in range(3, 9)]
    world.tick(3)
    assert {world.state(one) for one in later} == {State.QUEUED}
    succeed(world.objects, small.id, 1)
    world.cluster.used = 0
    world.tick(30)
    assert world.state(big) is State.STARTING


def test_the_line_that_is_shown_is_the_order_in_which_jobs_start(world: World) -> None:
    world.run(world.submit(1, project="a", workers=4))
    world.cluster.used = 4
    shown = [
        world.submit(2, project="a"),
        world.submit(3, project="b"),
        world.submit(4, project="a"),
        world.submit(5, project="b", priority=1),
    ]
    found = line.first(world.store, world.capacity(), 9, now=world.clock())
    assert [one.id for one in found] == [shown[place].id for place in (3, 1, 0, 2)]
    assert len(line.first(world.store, None, 2, now=world.clock())) == 2
