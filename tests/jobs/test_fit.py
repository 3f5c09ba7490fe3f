from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.cluster import Capacity, Node
from service.jobs import fit
from service.jobs.fit import Placement, Room
from tests.jobs.making import spec
from trainer.contract.asked import Demand
from trainer.contract.reasons import Code

NOTHING = Demand(cpus=0, gpus=0)


def node(cpus: float, gpus: float = 0, *, free: tuple[float, float] | None = None) -> Node:
    cpus_free, gpus_free = free or (cpus, gpus)
    return Node("n", "127.0.0.1", cpus, gpus, cpus_free, gpus_free)


def test_workers_fit_node_by_node_and_not_in_sum() -> None:
    wide = spec(workers=2, cpus_per_worker=3)
    assert fit.place(wide, [Room(5, 0), Room(1, 0)]) is None
    assert fit.place(wide, [Room(3, 0), Room(4, 0)]) == Placement(2, [Room(0, 0), Room(1, 0)])


def test_a_worker_needs_its_cpus_and_its_gpus_on_one_node() -> None:
    one = spec(workers=1, cpus_per_worker=2, gpus_per_worker=1)
    assert fit.place(one, [Room(8, 0), Room(1, 4)]) is None
    assert fit.place(one, [Room(8, 0), Room(2, 4)]) == Placement(1, [Room(8, 0), Room(0, 3)])


def test_an_elastic_job_gets_as_many_workers_as_fit() -> None:
    elastic = spec(workers={"min": 2, "max": 6}, cpus_per_worker=2)
    assert fit.place(elastic, [Room(3, 0), Room(1, 0)]) is None
    assert fit.place(elastic, [Room(3, 0), Room(5, 0)]) == Placement(3, [Room(1, 0), Room(1, 0)])
    assert fit.place(elastic, [Room(99, 0)]) == Placement(6, [Room(87, 0)])
    assert fit.place(elastic, [Room(99, 0)], most=5) == Placement(5, [Room(89, 0)])
    assert fit.place(elastic, [Room(99, 0)], most=1) is None


def test_thousands_of_workers_find_their_places_in_milliseconds() -> None:
    elastic = spec(workers={"min": 1, "max": 1024}, batch_size=1024)
    rooms = [Room(1, 0)] * 1000
    began = perf_counter()
    placed = fit.place(elastic, rooms)
    assert placed is not None
    assert placed.workers == 1000
    assert perf_counter() - began < 0.1


def test_an_elastic_job_waits_for_its_least_workers_only() -> None:
    elastic = spec(workers={"min": 3, "max": 6})
    why = fit.waits(elastic, [Room(8, 0)], [Room(2, 0)])
    assert why.message == "It needs at least 3 CPUs and 2 of the cluster's 8 are free."
    hopeless = fit.first_reason(elastic, Capacity((node(2),)))
    assert "at least 3 CPUs at once and the whole cluster has 2" in hopeless.message


def test_shares_of_a_cpu_add_up() -> None:
    assert fit.place(spec(workers=10, cpus_per_worker=0.1), [Room(1, 0)]) is not None


def test_nothing_is_free_that_is_promised_whatever_ray_reports() -> None:
    capacity = Capacity((node(4), node(4)))
    rooms = fit.free(capacity, Demand(cpus=6, gpus=0))
    assert sum(room.cpus for room in rooms) == 2


def test_what_ray_reports_as_used_is_not_free_whatever_was_promised() -> None:
    capacity = Capacity((node(4, free=(1, 0)), node(4, free=(0, 0))))
    assert fit.free(capacity, NOTHING) == [Room(1, 0), Room(0, 0)]


@given(
    nodes=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=5),
    promised=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    workers=st.integers(1, 12),
    cpus=st.sampled_from([0.5, 1, 2, 3]),
    gpus=st.sampled_from([0, 0.5, 1]),
)
def test_what_is_placed_never_exceeds_any_node_or_the_sum(
    nodes: list[tuple[int, int]],
    promised: tuple[int, int],
    workers: int,
    cpus: float,
    gpus: float,
) -> None:
    capacity = Capacity(tuple(node(c, g) for c, g in nodes))
    rooms = fit.free(capacity, Demand(cpus=promised[0], gpus=promised[1]))
    wanted = spec(workers=workers, cpus_per_worker=cpus, gpus_per_worker=gpus)
    placed = fit.place(wanted, rooms)
    if placed is None:
        return
    left = placed.left
    assert all(room.cpus >= -fit.EPSILON and room.gpus >= -fit.EPSILON for room in left)
    assert wanted.demand.cpus + promised[0] <= capacity.cpus + fit.EPSILON
    used = sum(a.cpus - b.cpus for a, b in zip(rooms, left, strict=True))
    assert used == pytest.approx(wanted.demand.cpus)


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        (
            {"workers": 64},
            Code.WAITING_FOR_CPUS,
            "It needs 64 CPUs at once and the whole cluster has 2",
        ),
        (
            {"workers": 8, "gpus_per_worker": 1},
            Code.WAITING_FOR_GPUS,
            "It needs 8 GPUs at once and the whole cluster has 0",
        ),
        (
            {"workers": 1, "cpus_per_worker": 2},
            Code.WAITING_FOR_CPUS,
            "1 worker with 2 CPUs each, and the nodes are too small",
        ),
    ],
)
def test_a_job_that_no_empty_cluster_holds_is_told_why(
    fields: dict[str, int], code: Code, says: str
) -> None:
    why = fit.first_reason(spec(**fields), Capacity((node(1), node(1))))
    assert why.code is code
    assert says in why.message
    assert why.message.endswith("it starts when the cluster grows.")


def test_a_job_waits_for_what_is_short() -> None:
    total, free = [Room(4, 4)], [Room(1, 2)]
    assert fit.waits(spec(workers=2), total, free).message == (
        "It needs 2 CPUs and 1 of the cluster's 4 are free."
    )
    assert fit.waits(spec(workers=4, gpus_per_worker=1), total, free).message == (
        "It needs 4 GPUs and 2 of the cluster's 4 are free."
    )
    spread = fit.waits(spec(cpus_per_worker=2), [Room(2, 0)] * 2, [Room(1, 0)] * 2)
    assert "spread over the nodes" in spread.message


def test_a_new_job_is_told_what_is_known() -> None:
    assert fit.first_reason(spec(), None).code is Code.WAITING_FOR_CLUSTER
    assert fit.first_reason(spec(), Capacity((node(2),))).code is Code.WAITING_IN_LINE
