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

MOST_AT_ONCE = 16
"""Trials of a sweep that does not say: each has a process of its own that follows it."""

NO_CLUSTER = reason(Code.WAITING_FOR_CLUSTER, "The Ray cluster does not answer.")
IN_LINE = reason(Code.WAITING_IN_LINE, "It starts when its turn comes.")


@dataclass(frozen=True)
class Room:
    """What one node can give."""

    cpus: float
    gpus: float

    def workers(self, spec: Placed) -> int:
        """How many of the job's workers fit, but never more than it has."""
        by_cpus = (self.cpus + EPSILON) / spec.cpus_per_worker if spec.cpus_per_worker else inf
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


@dataclass(frozen=True)
class Placement:
    """Room found for an attempt."""

    workers: int
    left: list[Room]
    """What remains beside them."""


def place(spec: Placed, rooms: Sequence[Room], *, most: int | None = None) -> Placement | None:
    """As many of the job's workers as fit, or None when those are fewer than it starts with. `most`
    lowers the number that it may have."""
    wanted = spec.workers if most is None else min(most, spec.workers)
    left, missing = list(rooms), wanted
    for index in sorted(range(len(left)), key=lambda i: -left[i].workers(spec)):
        here = min(missing, left[index].workers(spec))
        left[index] = left[index].less(here * spec.cpus_per_worker, here * spec.gpus_per_worker)
        missing -= here
    found = wanted - missing
    return Placement(found, left) if found >= spec.least_workers else None


def more(spec: Placed, rooms: Sequence[Room]) -> int:
    """How many further workers fit, but never more than the job has in all."""
    return min(spec.workers, sum(room.workers(spec) for room in rooms))


def at_once(spec: Placed, rooms: Sequence[Room]) -> int:
    """How many such jobs fit on empty `rooms` at the same time, and at least one; never more than
    `MOST_AT_ONCE`."""
    found = 0
    while found < MOST_AT_ONCE and (placed := place(spec, rooms)):
        found, rooms = found + 1, placed.left
    return max(1, found)


def demand(spec: Placed, workers: int) -> Demand:
    """Of so many of the job's workers."""
    return Demand(cpus=workers * spec.cpus_per_worker, gpus=workers * spec.gpus_per_worker)


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
            needed = amount(spec, needs, unit)
            return reason(
                code, f"It needs {needed} at once and the whole cluster has {has:g}; {grows}."
            )
    needed = f"{_workers(spec)}, and the nodes are too small for that"
    return reason(_scarcer(spec), f"It needs {needed}; {grows}.")


def waits(spec: Placed, total: Sequence[Room], rooms: Sequence[Room], place: str = "") -> Reason:
    """What is short for a job that fits on `total` and does not fit on what is free of it, `rooms`.
    `place` says in a clause where in the line it is."""
    also = f"; {place}" if place else ""
    has = {unit: amount for _, _, amount, unit in _amounts(spec, total)}
    for code, needs, open_, unit in _amounts(spec, rooms):
        if needs > open_ + EPSILON:
            needed = (
                f"{amount(spec, needs, unit)} and {open_:g} of the cluster's {has[unit]:g} are free"
            )
            return reason(code, f"It needs {needed}{also}.")
    needed = f"{_workers(spec)}, and what is free is spread over the nodes"
    return reason(_scarcer(spec), f"It needs {needed}{also}.")


def amount(spec: Placed, needs: float, unit: str) -> str:
    """What the job needs of a resource, in words."""
    return f"{_at_least(spec)}{_count(needs, unit)}"


def _amounts(spec: Placed, rooms: Sequence[Room]) -> list[tuple[Code, float, float, str]]:
    """What the job needs to start and `rooms` have: GPUs first, they are the scarcer."""
    gpus, cpus = sum(room.gpus for room in rooms), sum(room.cpus for room in rooms)
    least = demand(spec, spec.least_workers)
    return [
        (Code.WAITING_FOR_GPUS, least.gpus, gpus, "GPU"),
        (Code.WAITING_FOR_CPUS, least.cpus, cpus, "CPU"),
    ]


def _scarcer(spec: Placed) -> Code:
    return Code.WAITING_FOR_GPUS if spec.gpus_per_worker else Code.WAITING_FOR_CPUS


def _at_least(spec: Placed) -> str:
    return "at least " if spec.least_workers < spec.workers else ""


def _workers(spec: Placed) -> str:
    gpus = f" and {_count(spec.gpus_per_worker, 'GPU')}" if spec.gpus_per_worker else ""
    workers = f"{_at_least(spec)}{_count(spec.least_workers, 'worker')}"
    return f"{workers} with {_count(spec.cpus_per_worker, 'CPU')}{gpus} each"


def _count(amount: float, unit: str) -> str:
    return f"{amount:g} {unit}{'' if amount == 1 else 's'}"


def _taken(amounts: list[float], excess: float) -> list[float]:
    """`amounts` without `excess`, the largest reduced first."""
    left = list(amounts)
    for index in sorted(range(len(left)), key=lambda i: -left[i]):
        here = min(excess, max(0.0, left[index]))
        left[index], excess = left[index] - here, excess - here
    return left
