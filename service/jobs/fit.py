"""Whether a job's workers fit on a cluster, node by node, and what is short when they do not.

Used by the plan of a job and by admission.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from service.cluster.cluster import Capacity
from trainer.contract.asked import Demand, Placed
from trainer.contract.reasons import Code, Reason, reason

EPSILON = 1e-6
"""Ray counts resources in ten-thousandths; sums of them in floating point are off by less."""

NO_CLUSTER = reason(Code.WAITING_FOR_CLUSTER, "The Ray cluster does not answer.")
IN_LINE = reason(Code.WAITING_IN_LINE, "It starts when its turn comes.")


@dataclass(frozen=True)
class Room:
    """What one node can give."""

    cpus: float
    gpus: float

    def workers(self, spec: Placed) -> int:
        """How many of the job's workers fit, but never more than it has."""
        by_cpus = (self.cpus + EPSILON) / spec.cpus_per_worker
        by_gpus = (self.gpus + EPSILON) / spec.gpus_per_worker if spec.gpus_per_worker else inf
        return max(0, int(min(by_cpus, by_gpus, spec.workers)))

    def less(self, cpus: float, gpus: float) -> "Room":
        return Room(self.cpus - cpus, self.gpus - gpus)


def whole(capacity: Capacity) -> list[Room]:
    return [Room(node.cpus, node.gpus) for node in capacity.nodes]


def free(capacity: Capacity, reserved: Demand) -> list[Room]:
    """What is free on each node: never more in all than the cluster has beside `reserved`.

    Ray's report lags by seconds. It may show as free what was promised already; on which node that
    will be is not known, so it is taken from where most is free.
    """
    cpus = _taken(
        [node.cpus_free for node in capacity.nodes],
        max(0.0, capacity.cpus_free - max(0.0, capacity.cpus - reserved.cpus)),
    )
    gpus = _taken(
        [node.gpus_free for node in capacity.nodes],
        max(0.0, capacity.gpus_free - max(0.0, capacity.gpus - reserved.gpus)),
    )
    return [Room(c, g) for c, g in zip(cpus, gpus, strict=True)]


def place(spec: Placed, rooms: Sequence[Room]) -> list[Room] | None:
    """What is left of `rooms` beside all of the job's workers, or None when they do not fit."""
    left, missing = list(rooms), spec.workers
    for index in sorted(range(len(left)), key=lambda i: -left[i].workers(spec)):
        here = min(missing, left[index].workers(spec))
        left[index] = left[index].less(here * spec.cpus_per_worker, here * spec.gpus_per_worker)
        missing -= here
    return None if missing else left


def first_reason(spec: Placed, capacity: Capacity | None) -> Reason:
    """What a job waits for that nobody has looked at yet."""
    if capacity is None:
        return NO_CLUSTER
    return never(spec, whole(capacity)) or IN_LINE


def never(spec: Placed, rooms: Sequence[Room]) -> Reason | None:
    """Why the job cannot start on a cluster of `rooms` even when it is empty, or None if it can."""
    if place(spec, rooms) is not None:
        return None
    grows = "it starts when the cluster grows"
    for code, needs, has, unit in _amounts(spec, rooms):
        if needs > has + EPSILON:
            return reason(
                code,
                f"It needs {_count(needs, unit)} at once and the whole cluster has {has:g}; {grows}.",
            )
    code = Code.WAITING_FOR_GPUS if spec.gpus_per_worker else Code.WAITING_FOR_CPUS
    return reason(
        code, f"It needs {_workers(spec)}, and the nodes are too small for that; {grows}."
    )


def waits(spec: Placed, total: Sequence[Room], rooms: Sequence[Room]) -> Reason:
    """What is short for a job that fits on `total` and does not fit on what is free of it, `rooms`."""
    has = {unit: amount for _, _, amount, unit in _amounts(spec, total)}
    for code, needs, open_, unit in _amounts(spec, rooms):
        if needs > open_ + EPSILON:
            return reason(
                code,
                f"It needs {_count(needs, unit)} and {open_:g} of the cluster's {has[unit]:g} are free.",
            )
    code = Code.WAITING_FOR_GPUS if spec.gpus_per_worker else Code.WAITING_FOR_CPUS
    return reason(code, f"It needs {_workers(spec)}, and what is free is spread over the nodes.")


def _amounts(spec: Placed, rooms: Sequence[Room]) -> list[tuple[Code, float, float, str]]:
    """What the job needs and `rooms` have: GPUs first, they are the scarcer."""
    gpus, cpus = sum(room.gpus for room in rooms), sum(room.cpus for room in rooms)
    return [
        (Code.WAITING_FOR_GPUS, spec.demand.gpus, gpus, "GPU"),
        (Code.WAITING_FOR_CPUS, spec.demand.cpus, cpus, "CPU"),
    ]


def _workers(spec: Placed) -> str:
    gpus = f" and {_count(spec.gpus_per_worker, 'GPU')}" if spec.gpus_per_worker else ""
    return f"{_count(spec.workers, 'worker')} with {_count(spec.cpus_per_worker, 'CPU')}{gpus} each"


def _count(amount: float, unit: str) -> str:
    return f"{amount:g} {unit}{'' if amount == 1 else 's'}"


def _taken(amounts: list[float], excess: float) -> list[float]:
    """`amounts` without `excess`, the largest reduced first."""
    left = list(amounts)
    for index in sorted(range(len(left)), key=lambda i: -left[i]):
        here = min(excess, max(0.0, left[index]))
        left[index], excess = left[index] - here, excess - here
    return left
