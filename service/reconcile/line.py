"""Starts queued jobs as room comes free, and tells the others what they wait for."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from math import ceil

from service.cluster.cluster import Capacity
from service.errors import Conflict
from service.jobs import fit
from service.jobs.fit import Room
from service.jobs.store import JobStore
from service.lifecycle import Job, State, advance
from service.reconcile import fair, told
from service.reconcile.admit import BEHIND, Admission, admit
from service.reconcile.fair import Turns
from service.reconcile.outcomes import MOST_BACKOFF
from service.reconcile.promises import Promises
from service.reconcile.quota import Quotas
from service.reconcile.usage import Usage
from trainer.contract import crashes
from trainer.contract.crashes import Point
from trainer.contract.reasons import Reason

LOOK = 100
"""Jobs looked at in one go: however long the line is, a look costs the same. Jobs that are too large for
the cluster may fill it; the next look goes on behind them."""


@dataclass
class Line:
    """The queue in front of the cluster. Writes only what has changed."""

    store: JobStore
    quotas: Quotas
    promises: Promises = field(default_factory=Promises)
    spare: list[Room] | None = None
    """What the last look found free that no job waits for; None: a job waits, or has just started."""
    _numbered: set[str] = field(default_factory=set)
    """Jobs whose reason names their place."""
    _behind: dict[str, Job] = field(default_factory=dict)
    """By project, the job behind which the next look begins; else at the head."""

    def admit(
        self, capacity: Capacity | None, holding: Sequence[Job], *, now: datetime
    ) -> Iterator[Job]:
        """Jobs that are starting from now on, each yielded as soon as that is kept. `holding`: those
        that may hold resources."""
        self.spare = None
        turns = turns_of(self.store, capacity, holding, now=now, ready=now, behind=self._behind)
        if capacity is None:
            first = list(islice(turns, LOOK))
            self._tell(first, {job.id: fit.NO_CLUSTER for job in first}, numbered=[])
            return
        promised = self.promises.promised(capacity, holding, now=now)
        free = fit.free(capacity, promised)
        found = admit(turns, fit.whole(capacity), free, cache(self.quotas), most=LOOK)
        yield from self._start(found, now)
        self._tell(found.seen, found.reasons, numbered=found.numbered)
        is_cut_off = len(found.seen) == LOOK and not found.waiting
        looked = {job.project: job for job in found.seen}
        self._behind = self._behind | looked if is_cut_off else {}
        self.spare = None if found.waiting or found.start else found.rooms

    def expire(self, *, now: datetime) -> None:
        """Fail jobs that waited for longer than they may."""
        for job in self.store.pending_too_long(now, limit=LOOK):
            failed = advance(job, State.FAILED, at=now, reason=told.waited(job))
            with contextlib.suppress(Conflict):  # it moved meanwhile
                self.store.save(failed, was=job)

    def _start(self, found: Admission, now: datetime) -> Iterator[Job]:
        for job in found.start:
            starting = advance(job, State.STARTING, at=now, reason=told.starting(job))
            try:
                kept = self.store.save(starting, was=job)
            except Conflict:  # cancelled, paused or changed meanwhile
                continue
            crashes.point(Point.AFTER_STARTING)
            yield kept

    def _tell(
        self, seen: Sequence[Job], reasons: Mapping[str, Reason], *, numbered: Sequence[str]
    ) -> None:
        had = {job.id: job.reason for job in seen}
        changed = {id_: why for id_, why in reasons.items() if why != had[id_]}
        # Those that fell behind since others came first would show an old place for ever.
        for id_ in self._numbered - had.keys():
            changed[id_] = BEHIND
        self._numbered = set(numbered)
        if changed:
            self.store.set_reasons(changed)


def turns_of(  # noqa: PLR0913 - all that the order depends on
    store: JobStore,
    capacity: Capacity | None,
    holding: Sequence[Job],
    *,
    now: datetime,
    ready: datetime,
    behind: Mapping[str, Job],
) -> Turns:
    """The line of all projects, of the jobs that may start at `ready`; of each project behind a job, if one
    is given."""
    heads = store.heads(now=ready)
    size = ceil(LOOK / len(heads)) if heads else 1

    def read(project: str) -> Iterator[Job]:
        after = behind.get(project)
        while True:
            page = store.line(project, now=ready, limit=size, after=after)
            yield from page
            if len(page) < size:
                return
            after = page[-1]

    return Turns(
        lines={project: read(project) for project in heads},
        turns=heads,
        whole=fair.whole(capacity),
        held=fair.by_project(holding),
        lately=Usage(store.engine).lately(now) if len(heads) > 1 else {},
    )


def first(store: JobStore, capacity: Capacity | None, limit: int, *, now: datetime) -> list[Job]:
    """The first so many queued jobs in the order in which they start; retries that still wait for their
    time are among them."""
    holding = [held.job for held in store.holding()]
    then = now + MOST_BACKOFF + timedelta(seconds=1)
    turns, found = turns_of(store, capacity, holding, now=now, ready=then, behind={}), []
    for job in islice(turns, limit):
        turns.take(job, fit.demand(job.spec, job.spec.least_workers))
        found.append(job)
    return found
