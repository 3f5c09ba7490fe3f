"""Promises of what Ray's autoscaler is told."""

from typing import Any

from deploy.demand import needed, units
from service.cluster.cluster import Capacity, Node
from service.system.schemas import ClusterOut


def node(cpus: float, cpus_free: float, gpus: float = 0, gpus_free: float = 0) -> Node:
    return Node("node", "10.0.0.1", cpus, gpus, cpus_free, gpus_free)


def answer(*nodes: Node, queue: list[dict[str, float]] | None = None) -> dict[str, Any]:
    """Of `GET /cluster`, in the service's own words."""
    told = ClusterOut.of(Capacity(nodes), [], project="default").model_dump(mode="json")
    return told | {"queue": [{"demand": demand} for demand in queue or []]}


def test_an_idle_cluster_needs_nothing() -> None:
    assert needed(answer(node(8, 8), node(0, 0))) == []


def test_what_is_in_use_is_needed_as_well_as_what_waits() -> None:
    told = answer(node(4, 2), queue=[{"cpus": 3, "gpus": 0}])
    assert needed(told) == [{"CPU": 1.0}] * 5


def test_a_gpu_comes_with_its_share_of_cpus() -> None:
    assert units(8, 2) == [{"GPU": 1.0, "CPU": 4.0}] * 2
    assert units(0, 1) == [{"GPU": 1.0}]


def test_part_of_a_cpu_takes_a_whole_one() -> None:
    assert units(0.5, 0) == [{"CPU": 1.0}]
