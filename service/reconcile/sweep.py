"""Removes what deleted jobs left in the object store. Used by the reconciler."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from service.jobs.store import JobStore, Trash
from trainer.contract import layout
from trainer.contract.objects.store import ObjectStore

AGAIN_AFTER = timedelta(minutes=10)
"""After its deletion a job's objects are looked for a second time: a process that was cut off from the
rest may have written until then."""
AT_ONCE = 100
"""Objects removed in one go: a tick may not take so long that another program takes over."""


@dataclass(frozen=True)
class Sweeper:
    """May be interrupted anywhere: what is left is found by the next sweep."""

    store: JobStore
    objects: ObjectStore
    clock: Callable[[], datetime]

    def sweep(self) -> None:
        """Remove some objects of one deleted job. Raises StoreUnavailable."""
        now = self.clock()
        for deleted in self.store.trash(now, limit=1):
            if not self._empty(deleted):
                continue
            last = deleted.deleted_at + AGAIN_AFTER
            self.store.swept(deleted.job_id, again_at=last if now < last else None)

    def _empty(self, deleted: Trash) -> bool:
        """Whether nothing was left of it after this."""
        found = list(islice(self.objects.list(layout.job(deleted.job_id) + "/"), AT_ONCE + 1))
        for one in found[:AT_ONCE]:
            self.objects.delete(one.key)
        return len(found) <= AT_ONCE
