"""Starts queued jobs as room comes free, and tells the others what they wait for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from service.cluster.cluster import Capacity
from service.errors import Conflict
from service.jobs.store import JobStore
from service.lifecycle import Job, State, advance
from service.reconcile.admit import BEHIND, Admission, admit
from service.reconcile.promises import Promises, total
from trainer.contract.asked import Demand

PAGE = 50
PAGES = 2
"""Pages of the line looked at in one go: however long it is, a look costs the same. Jobs that are
too large for the cluster may fill them; the next look goes on behind them."""


@dataclass
class Line:
    """The queue in front of the cluster. Writes only what has changed."""

    store: JobStore
    promises: Promises = field(default_factory=Promises)
    _numbered: set[str] = field(default_factory=set)
    """Jobs whose reason names their place."""
    _behind: Job | None = None
    """The job behind which the next look begins; None: at the head."""

    def admit(self, capacity: Capacity | None, *, now: datetime) -> Iterator[Job]:
        """Jobs that are starting from now on, each yielded as soon as that is kept."""
        promised = Demand(cpus=0, gpus=0)
        if capacity:
            holding = [held.job for held in self.store.holding()]
            promised = self.promises.promised(capacity, holding, now=now)
        for _ in range(PAGES):
            page = self.store.line(limit=PAGE, after=self._behind)
            verdict = admit(page, capacity, promised)
            started = list(filter(None, (self._start(job, now) for job in verdict.start)))
            self._tell(page, verdict)
            yield from started
            if verdict.blocked or capacity is None or len(page) < PAGE:
                self._behind = None
                return
            self._behind = page[-1]
            more = total(started)
            promised = Demand(cpus=promised.cpus + more.cpus, gpus=promised.gpus + more.gpus)

    def _start(self, job: Job, now: datetime) -> Job | None:
        starting = advance(job, State.STARTING, at=now)
        try:
            self.store.save(starting, was=job)
        except Conflict:  # cancelled meanwhile
            return None
        return starting

    def _tell(self, page: list[Job], verdict: Admission) -> None:
        had = {job.id: job.reason for job in page}
        told = {id_: why for id_, why in verdict.reasons.items() if why != had[id_]}
        # Those that fell behind since others came first would show an old place for ever.
        for id_ in self._numbered - had.keys():
            told[id_] = BEHIND
        self._numbered = set(verdict.numbered)
        if told:
            self.store.set_reasons(told)
