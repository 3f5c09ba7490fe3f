"""Brings a backup back into a database and an object store that nothing else uses. Used by
`residual restore`.

Nothing is written before all of the backup was read and found whole. The database comes last, so what was
interrupted is a service without jobs, and not one that believes in what is not there.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from service.backup import database, place
from service.backup.copying import Pool
from service.backup.making import AT_ONCE, Told
from service.backup.place import Backup, Entry, Unusable
from service.db import migrate
from service.jobs.store import JobStore
from service.reconcile import papers
from trainer.contract import layout
from trainer.contract.manifest import MANIFEST
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import Code, reason

RESTORED = reason(Code.CLUSTER_RESTARTED, "The service was restored from a backup.")
OURS = (layout.job(""), layout.all_models())
"""Below these the store has what the database says, and nothing else."""


class NotEmpty(Exception):
    """There are jobs or objects already where a backup is to go; the message is a sentence."""


@dataclass(frozen=True)
class Restored:
    backup: Backup
    closed: int
    """Attempts that were at work when it was made: their jobs go on with the next one."""


@dataclass(frozen=True)
class Restorer:
    """Of one backup."""

    place: ObjectStore
    backup: Backup
    clock: Callable[[], datetime]
    told: Told

    def verify(self) -> list[Entry]:
        """Read all of it; its objects. Raises Unusable, which names what is damaged."""
        if self.backup.meta.revision not in migrate.known_revisions():
            raise Unusable(
                f"the backup is of revision {self.backup.meta.revision}, which this program does not "
                f"know: restore it with version {self.backup.meta.version} or a later one"
            )
        entries, pool = place.index(self.place, self.backup), self._pool()
        distinct = list({entry.sha256: entry for entry in entries}.values())
        self._each("verifying", distinct, pool.check)
        return entries

    def restore(self, engine: Engine, objects: ObjectStore, *, over: bool) -> Restored:
        """`over`: in place of whatever is there. Raises Unusable, NotEmpty, StoreError, SQLAlchemyError."""
        if not over:
            refuse_unless_empty(engine, objects)
        entries, pool = self.verify(), self._pool()
        database.clear(engine)  # from here on nobody believes what the store still has
        later = set(self._removed(objects, {entry.key for entry in entries}))
        for of_manifests in (False, True):
            some = [entry for entry in entries if entry.key.endswith(MANIFEST) is of_manifests]
            self._each("copying", some, lambda entry: pool.bring_back(entry, objects))
        with TemporaryDirectory(prefix="residual-") as folder:
            files = place.fetch(self.place, self.backup, Path(folder))
            database.load(engine, files[place.DATABASE], self.backup.meta.revision)
        return Restored(self.backup, self._close(engine, objects, later))

    def _pool(self) -> Pool:
        return Pool(self.place, set())

    def _removed(self, objects: ObjectStore, kept: set[str]) -> Iterator[tuple[str, int]]:
        """Remove what the store has and the backup has not; the attempts of which there was something."""
        for below in OURS:
            surplus = [found.key for found in objects.list(below) if found.key not in kept]
            surplus.sort(key=lambda key: not key.endswith(f"/{MANIFEST}"))  # what is believed first
            for key in surplus:
                objects.delete(key)
                _, job, number, *_ = key.split("/")
                if below == layout.job("") and number.isdecimal():
                    yield job, int(number)

    def _close(self, engine: Engine, objects: ObjectStore, later: set[tuple[str, int]]) -> int:
        """Close every attempt that may still write somewhere, so that its end counts for nothing."""
        store, at = JobStore(engine), self.clock()
        holding = [held.job for held in store.holding() if held.attempted]
        for job in holding:
            papers.close(objects, job, RESTORED, at=at)
        for job in database.jobs(engine, {job_id for job_id, _ in later}):
            for number in (number for job_id, number in later if job_id == job.id):
                if number > job.attempt:
                    papers.close(objects, replace(job, attempt=number), RESTORED, at=at)
        return len(holding)

    def _each(self, what: str, entries: Sequence[Entry], do: Callable[[Entry], None]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            try:
                for done, _ in enumerate(threads.map(do, entries), start=1):
                    self.told(what, done, len(entries))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise


def refuse_unless_empty(engine: Engine, objects: ObjectStore) -> None:
    """Raises NotEmpty."""
    what = None
    if not database.is_empty(engine):
        what = "the database has rows"
    elif any(next(iter(objects.list(below)), None) for below in OURS):
        what = "the object store has jobs or models"
    if what:
        raise NotEmpty(
            f"{what} already: restore into an empty one, or with --replace in place of all of it"
        )
