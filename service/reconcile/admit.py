"""Which queued jobs start now, and what each of the others waits for. Pure; `line` acts on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service.cluster.cluster import Capacity
from service.jobs import fit
from service.jobs.fit import Room
from service.lifecycle import Job
from trainer.contract.asked import Demand
from trainer.contract.reasons import Code, Reason, reason

NUMBERED = 20
"""Places in the line that a reason names; those behind are told that they are behind, once."""

BEHIND = reason(Code.WAITING_IN_LINE, f"More than {NUMBERED} jobs start before it.")


@dataclass(frozen=True)
class Admission:
    """`start` in this order; `reasons` of the other jobs, by id."""

    start: list[Job]
    reasons: dict[str, Reason]
    numbered: list[str]
    """Ids of the first that wait for room, in the order of the line; theirs are the changing reasons."""

    @property
    def blocked(self) -> bool:
        """Whether a job waits that the cluster could hold: nobody behind it starts before it."""
        return bool(self.numbered)


@dataclass
class _Line:
    rooms: list[Room]
    start: list[Job] = field(default_factory=list)
    reasons: dict[str, Reason] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)


def admit(queue: Sequence[Job], capacity: Capacity | None, reserved: Demand) -> Admission:
    """`queue` is in the order of starting. A job starts when all of its workers fit, node by node,
    on what Ray reports as free and beside `reserved`, what was promised to others (see `promises`).

    The first job that could start on an empty cluster and does not fit now holds back all behind it:
    so a big job gets its turn. One that is too large for the whole cluster holds back nobody.
    """
    if capacity is None:
        return Admission([], {job.id: fit.NO_CLUSTER for job in queue}, numbered=[])
    total, line = fit.whole(capacity), _Line(fit.free(capacity, reserved))
    for job in queue:
        if hopeless := fit.never(job.spec, total):
            line.reasons[job.id] = hopeless
        elif not line.waiting and (left := fit.place(job.spec, line.rooms)) is not None:
            line.start.append(job)
            line.rooms = left
        else:
            line.waiting.append(job.id)
            line.reasons[job.id] = _waits(job, line, total)
    return Admission(line.start, line.reasons, line.waiting[:NUMBERED])


def _waits(job: Job, line: _Line, total: Sequence[Room]) -> Reason:
    place = len(line.waiting)
    if place == 1:
        return fit.waits(job.spec, total, line.rooms)
    if place > NUMBERED:
        return BEHIND
    jobs = "1 job starts" if place == 2 else f"{place - 1} jobs start"
    return reason(Code.WAITING_IN_LINE, f"It is number {place} in the line: {jobs} before it.")
