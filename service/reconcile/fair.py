"""Whose turn it is, between projects: that of the one which holds and lately held the least. Pure; `line`
reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from service.cluster.cluster import Capacity
from service.jobs.rows import turn
from service.lifecycle import Job
from trainer.contract.asked import Demand

NOTHING = Demand(cpus=0, gpus=0)


@dataclass
class Turns:
    """The queued jobs of all projects, each in its turn. The next is of the project with the lowest share
    of the cluster, counting what was picked before it and what it held lately; of equal ones, that with the
    earliest turn.

    So a project with many jobs does not hold up one with few, and one that had more than its share because
    its job was large, or came first, gives way afterwards. One whose job is too large for what is free keeps
    the turn: others that came later hold more than it, as soon as they hold anything.
    """

    lines: Mapping[str, Iterator[Job]]
    """By project, in the order of their turns; read no further than needed."""
    turns: dict[str, float]
    """By project: of the first in its line, or lower."""
    whole: Demand
    """Of the cluster."""
    held: dict[str, Demand]
    """By project."""
    lately: Mapping[str, float] = field(default_factory=dict)
    """By project, its mean share of the cluster in the last minutes."""
    _left: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[Job]:
        first: dict[str, Job] = {}
        ranks = [self._rank(project) for project in self.turns]
        heapify(ranks)
        while ranks:
            _, _, project = heappop(ranks)
            job = first.pop(project, None) or next(self.lines[project], None)
            if job is None:
                continue
            if turn(job) > self.turns[project]:  # later than was known: others may come first
                first[project], self.turns[project] = job, turn(job)
                heappush(ranks, self._rank(project))
                continue
            yield job
            if project not in self._left:
                heappush(ranks, self._rank(project))

    def take(self, job: Job, demand: Demand) -> None:
        """The job that came last counts as having so much."""
        self.held[job.project] = plus(self.held.get(job.project, NOTHING), demand)

    def leave(self, project: str) -> None:
        """No further job of the project that came last is to come."""
        self._left.add(project)

    def _rank(self, project: str) -> tuple[float, float, str]:
        has = share(self.held.get(project, NOTHING), self.whole)
        return (has + self.lately.get(project, 0.0), self.turns[project], project)


def share(held: Demand, whole: Demand) -> float:
    """Of the cluster: of its CPUs or its GPUs, whichever is more."""
    cpus = held.cpus / whole.cpus if whole.cpus else 0.0
    gpus = held.gpus / whole.gpus if whole.gpus else 0.0
    return max(cpus, gpus)


def whole(capacity: Capacity | None) -> Demand:
    """All that the cluster has; nothing while that is not known."""
    return Demand(cpus=capacity.cpus, gpus=capacity.gpus) if capacity else NOTHING


def shares(holding: Iterable[Job], of: Demand) -> dict[str, float]:
    """By project, what its jobs hold `of` all there is."""
    return {project: share(held, of) for project, held in by_project(holding).items()}


def by_project(jobs: Iterable[Job]) -> dict[str, Demand]:
    """What the newest attempts of jobs take."""
    held: dict[str, Demand] = {}
    for job in jobs:
        held[job.project] = plus(held.get(job.project, NOTHING), job.demand)
    return held


def plus(one: Demand, other: Demand) -> Demand:
    return Demand(cpus=one.cpus + other.cpus, gpus=one.gpus + other.gpus)
