from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.cluster.cluster import Capacity
from service.jobs import fit
from service.lifecycle import Job, State
from service.reconcile.admit import BEHIND, NUMBERED, Admission, admit
from service.reconcile.fair import Turns
from service.reconcile.promises import WINDOW, Promises, total
from service.reconcile.quota import unlimited
from tests.jobs.making import NOW, job
from tests.jobs.test_fit import node
from trainer.contract.asked import Demand
from trainer.contract.reasons import Code

NOTHING = Demand(cpus=0, gpus=0)


def _admit(queue: list[Job], capacity: Capacity, promised: Demand) -> Admission:
    """One project's line, which has no quota."""
    whole, held = Demand(cpus=capacity.cpus, gpus=capacity.gpus), {"default": promised}
    turns = Turns({"default": iter(queue)}, {"default": 0.0}, whole, held)
    rooms = fit.free(capacity, promised)
    return admit(turns, fit.whole(capacity), rooms, unlimited, most=100)


def _queue(*workers: int) -> list[Job]:
    return [job(number, workers=count) for number, count in enumerate(workers, start=1)]


def _numbers(jobs: list[Job]) -> list[int]:
    return [int(found.id[-5:]) for found in jobs]


def test_jobs_start_in_order_while_there_is_room() -> None:
    found = _admit(_queue(2, 1, 1, 1), Capacity((node(4),)), NOTHING)
    assert _numbers(found.start) == [1, 2, 3]
    assert found.reasons["job-00004"].message == (
        "It needs 1 CPU and 0 of the cluster's 4 are free; it is the first in the line."
    )


def test_a_big_job_at_the_head_is_not_overtaken() -> None:
    found = _admit(_queue(4, 1), Capacity((node(4, free=(2, 0)),)), NOTHING)
    assert found.start == []
    assert found.reasons["job-00001"].message == (
        "It needs 4 CPUs and 2 of the cluster's 4 are free; it is the first in the line."
    )
    assert found.reasons["job-00002"].code is Code.WAITING_IN_LINE
    assert found.reasons["job-00002"].message == (
        "It is number 2 in the line: 1 job starts before it."
    )


def test_a_job_that_is_too_large_for_the_cluster_holds_back_nobody() -> None:
    found = _admit(_queue(64, 1), Capacity((node(4),)), NOTHING)
    assert _numbers(found.start) == [2]
    assert "the whole cluster has 4" in found.reasons["job-00001"].message
    assert found.waiting == []


def test_what_is_promised_is_not_given_twice() -> None:
    found = _admit(_queue(2, 2), Capacity((node(4),)), Demand(cpus=2, gpus=0))
    assert _numbers(found.start) == [1]


def test_only_the_first_places_are_numbered() -> None:
    found = _admit(_queue(*[4] * 30), Capacity((node(4, free=(0, 0)),)), NOTHING)
    assert found.numbered == [f"job-{number:05d}" for number in range(1, NUMBERED + 1)]
    assert found.reasons[f"job-{NUMBERED:05d}"].message == (
        f"It needs 4 CPUs and 0 of the cluster's 4 are free; it is number {NUMBERED} in the line."
    )
    assert {found.reasons[f"job-{number:05d}"] for number in range(21, 31)} == {BEHIND}


@given(
    nodes=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=4),
    queue=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([0.5, 1, 2])), max_size=8),
    promised=st.integers(0, 8),
)
def test_whatever_waits_nobody_is_lost_overtaken_or_given_what_is_not_there(
    nodes: list[tuple[int, int]], queue: list[tuple[int, float]], promised: int
) -> None:
    jobs = [job(n, workers=w, cpus_per_worker=c) for n, (w, c) in enumerate(queue, start=1)]
    capacity = Capacity(tuple(node(all_, free=(min(free, all_), 0)) for all_, free in nodes))
    found = _admit(jobs, capacity, Demand(cpus=promised, gpus=0))
    assert {one.id for one in found.start} | found.reasons.keys() == {one.id for one in jobs}
    assert not {one.id for one in found.start} & found.reasons.keys()
    if found.start:
        assert total(found.start).cpus + promised <= capacity.cpus + 1e-6
        assert total(found.start).cpus <= capacity.cpus_free + 1e-6
    waiting = [one.id for one in jobs if one.id in found.numbered]
    if waiting:
        assert all(one.id < waiting[0] for one in found.start)


def _at(seconds: float, capacity: Capacity, *holding: Job, books: Promises) -> float:
    now = NOW + timedelta(seconds=seconds)
    return books.promised(capacity, holding, now=now).cpus


def _cluster(used: float) -> Capacity:
    return Capacity((node(8, free=(8 - used, 0)),))


def test_an_idle_cluster_has_promised_nothing() -> None:
    assert _at(0, _cluster(0), books=Promises()) == 0


def test_a_starting_job_counts_before_ray_shows_it_and_once_when_it_does() -> None:
    books, starting = Promises(), job(state=State.STARTING, workers=3)
    assert _at(0, _cluster(0), books=books) == 0
    assert _at(1, _cluster(0), starting, books=books) == 3
    assert _at(5, _cluster(3), starting, books=books) == 3


def test_what_others_use_counts_beside_our_jobs() -> None:
    books, running = Promises(), job(state=State.RUNNING, workers=3)
    assert _at(0, _cluster(5), running, books=books) == 5


def test_a_job_that_ended_and_is_still_shown_is_not_taken_for_anothers() -> None:
    books, running = Promises(), job(1, state=State.RUNNING, workers=3)
    assert _at(0, _cluster(3), running, books=books) == 3
    assert _at(1, _cluster(3), books=books) == 0
    assert _at(1.5, _cluster(3), job(2, state=State.STARTING, workers=2), books=books) == 2


def test_others_that_stay_are_counted_in_the_end() -> None:
    books = Promises()
    assert _at(0, _cluster(0), books=books) == 0
    for second in range(1, 15):
        promised = _at(second, _cluster(2), books=books)
    assert promised == 2
    assert second > WINDOW.total_seconds()
