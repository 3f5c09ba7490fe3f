"""How much of the cluster is promised: to our jobs, and to whatever else runs there."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.cluster.cluster import Capacity
from service.lifecycle import Job, State
from trainer.contract.asked import Demand

WINDOW = timedelta(seconds=10)
"""Longer than Ray's report lags behind a job that ended."""
SHOWN = (State.RUNNING, State.PAUSING)


@dataclass
class Promises:
    """Our own books of the cluster. Ray's report alone would not do: it shows a job that is starting
    only when its workers are placed, so the same room would be given away twice.

    Promised is what all our holding jobs need, and what others use: that is what Ray reports as used
    beyond our jobs that run or are being paused, which it shows for sure. A job that has just ended, or
    is just starting, makes that look too high, never too low, so the least of the last seconds counts.
    """

    _others: deque[tuple[datetime, Demand]] = field(default_factory=deque)

    def promised(self, capacity: Capacity, holding: Iterable[Job], *, now: datetime) -> Demand:
        jobs = list(holding)
        running = total(job for job in jobs if job.state in SHOWN)
        beyond = Demand(
            cpus=max(0.0, capacity.cpus - capacity.cpus_free - running.cpus),
            gpus=max(0.0, capacity.gpus - capacity.gpus_free - running.gpus),
        )
        self._others.append((now, beyond))
        while self._others[0][0] < now - WINDOW:
            self._others.popleft()
        ours = total(jobs)
        return Demand(
            cpus=ours.cpus + min(seen.cpus for _, seen in self._others),
            gpus=ours.gpus + min(seen.gpus for _, seen in self._others),
        )


def total(jobs: Iterable[Job]) -> Demand:
    """What the newest attempts of jobs take."""
    demands = [job.demand for job in jobs]
    return Demand(cpus=sum(d.cpus for d in demands), gpus=sum(d.gpus for d in demands))
