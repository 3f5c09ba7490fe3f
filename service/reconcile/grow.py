"""Which elastic job is given more workers. Pure; the reconciler asks it to end, and it starts again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.jobs import fit
from service.jobs.fit import Room
from service.lifecycle import Job, State
from service.reconcile import fair, quota
from service.reconcile.quota import Quotas

GROW_AFTER = timedelta(seconds=60)
"""How long a job runs before it grows: starting again costs 10 to 20 s, which more workers must first
win back."""


@dataclass(frozen=True)
class Growth:
    job: Job
    to: int
    """Workers."""


def growth(
    holding: Sequence[Job], spare: Sequence[Room], quotas: Quotas, *, now: datetime
) -> Growth | None:
    """The oldest job that runs with fewer workers than it may have and finds more room on `spare`."""
    held = fair.by_project(holding)
    for job in holding:
        has, most = job.workers or job.spec.workers, job.spec.workers
        if job.state is not State.RUNNING or has >= most or now - job.changed_at < GROW_AFTER:
            continue
        allowed = quota.within(job.spec, quotas(job.project), held[job.project])
        more = min(most - has, allowed, fit.more(job.spec, spare))
        if more > 0:
            return Growth(job, has + more)
    return None
