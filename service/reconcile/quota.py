"""What a project may hold of the cluster at once. Pure; used where jobs start and grow."""

from collections.abc import Callable
from math import inf
from typing import Protocol

from service.jobs import fit
from trainer.contract.asked import Demand, Placed
from trainer.contract.reasons import Code, Reason, reason


class Quota(Protocol):
    """None is no limit."""

    @property
    def cpus(self) -> float | None: ...

    @property
    def gpus(self) -> float | None: ...


Quotas = Callable[[str], Quota | None]
"""A project's quota; None: it has none."""


def unlimited(project: str) -> None:
    """The quota of every project where there are none."""


def within(spec: Placed, quota: Quota | None, held: Demand) -> int:
    """How many of a job's workers its project may have beside what it holds, and 0 or less if none."""
    if quota is None:
        return spec.workers
    cpus = _left(quota.cpus, held.cpus, spec.cpus_per_worker)
    gpus = _left(quota.gpus, held.gpus, spec.gpus_per_worker)
    return int(min(cpus, gpus, spec.workers))


def never(spec: Placed, quota: Quota | None) -> Reason | None:
    """Why the job cannot start even when its project holds nothing, or None if it can."""
    if quota is None or within(spec, quota, Demand(cpus=0, gpus=0)) >= spec.least_workers:
        return None
    needs, most, _ = _short(spec, quota, Demand(cpus=0, gpus=0))
    message = f"It needs {needs} at once and its project may have {most:g}"
    return reason(Code.WAITING_FOR_QUOTA, f"{message}; it starts when that is raised.")


def waits(spec: Placed, quota: Quota, held: Demand) -> Reason:
    """What its project holds that keeps the job from starting."""
    needs, most, unit = _short(spec, quota, held)
    has = held.gpus if unit == "GPU" else held.cpus
    message = f"It needs {needs}, and its project holds {has:g} of the {most:g} that it may have."
    return reason(Code.WAITING_FOR_QUOTA, message)


def _left(most: float | None, held: float, each: float) -> float:
    if most is None or not each:
        return inf
    return (most - held + fit.EPSILON) // each


def _short(spec: Placed, quota: Quota, held: Demand) -> tuple[str, float, str]:
    """The resource that the quota runs out of: how much is needed in words, the limit, the unit."""
    least = fit.demand(spec, spec.least_workers)
    if quota.gpus is not None and held.gpus + least.gpus > quota.gpus + fit.EPSILON:
        return fit.amount(spec, least.gpus, "GPU"), quota.gpus, "GPU"
    return fit.amount(spec, least.cpus, "CPU"), quota.cpus or 0.0, "CPU"
