"""Which queued jobs start now, and what each of the others waits for. Pure; `line` acts on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from service.jobs import fit
from service.jobs.fit import Room
from service.lifecycle import Job
from service.reconcile import fair, quota
from service.reconcile.fair import NOTHING, Turns
from service.reconcile.quota import Quotas
from trainer.contract.reasons import Code, Reason, reason

NUMBERED = 20
"""Places in the line that a reason names; those behind are told that they are behind, once."""

BEHIND = reason(Code.WAITING_IN_LINE, f"More than {NUMBERED} jobs start before it.")


@dataclass
class Admission:
    """What came of a look at the line."""

    rooms: list[Room]
    """What is free, beside the jobs that start."""
    start: list[Job] = field(default_factory=list)
    """In this order, each with the number of workers that it is given."""
    seen: list[Job] = field(default_factory=list)
    """All that were looked at."""
    reasons: dict[str, Reason] = field(default_factory=dict)
    """Of those that do not start, by id."""
    waiting: list[str] = field(default_factory=list)
    """Ids of those that wait for room, in the order of the line. While there is one, nobody behind it
    starts."""

    @property
    def numbered(self) -> list[str]:
        """Theirs are the reasons that change with the line."""
        return self.waiting[:NUMBERED]


def admit(
    turns: Turns, whole: Sequence[Room], free: list[Room], quotas: Quotas, *, most: int
) -> Admission:
    """Look at the first `most` jobs. A job starts when at least the least number of its workers fits,
    node by node, on `free`, and its project's quota allows it.

    The first job that could start on an empty cluster and does not fit now holds back all behind it:
    so a big job gets its turn. One that is too large for the whole cluster, or for its project's quota,
    holds back nobody; one that waits for jobs of its own project holds back that project.
    """
    found, using = Admission(free), dict(turns.held)
    for job in islice(turns, most):
        found.seen.append(job)
        spec, limit, held = job.spec, quotas(job.project), using.get(job.project, NOTHING)
        allowed = quota.within(spec, limit, held)
        if why := fit.never(spec, whole) or quota.never(spec, limit):
            found.reasons[job.id] = why
        elif limit and allowed < spec.least_workers:
            found.reasons[job.id] = quota.waits(spec, limit, held)
            turns.leave(job.project)
        elif not found.waiting and (placed := fit.place(spec, found.rooms, most=allowed)):
            starting = replace(job, workers=placed.workers)
            found.start.append(starting)
            found.rooms = placed.left
            using[job.project] = fair.plus(held, starting.demand)
            turns.take(job, starting.demand)
        else:
            found.waiting.append(job.id)
            found.reasons[job.id] = _waits(job, found, whole)
            turns.take(job, fit.demand(spec, spec.least_workers))
    return found


def _waits(job: Job, found: Admission, whole: Sequence[Room]) -> Reason:
    place = len(found.waiting)
    if place > NUMBERED:
        return BEHIND
    where = f"it is number {place} in the line" if place > 1 else "it is the first in the line"
    if fit.place(job.spec, found.rooms) is None:
        return fit.waits(job.spec, whole, found.rooms, where)
    jobs = "1 job starts" if place == 2 else f"{place - 1} jobs start"
    return reason(Code.WAITING_IN_LINE, f"It is number {place} in the line: {jobs} before it.")
