"""Makes a backup of the database and the object store while the service runs. Used by `residual backup`.

The database first, as of one moment, then the objects that it speaks of; the backup's manifest last.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from service.backup import database, place
from service.backup.copying import Pool
from service.backup.database import Snapshot, Version
from service.backup.objects import Copier, Unit
from service.backup.place import Entry, Meta
from trainer.contract import layout, manifest
from trainer.contract.objects.store import ObjectStore

AT_ONCE = 8
"""Jobs whose objects are copied at the same time."""
ROUNDS = 3
"""How often all is done again because a job lost its checkpoints to its next attempt meanwhile; what was
copied is not copied again."""

Told = Callable[[str, int, int], None]
"""Told what is being done, how many of its steps are done, and of how many."""


@dataclass(frozen=True)
class Made:
    name: str
    meta: Meta
    added: int
    """Objects that no earlier backup had."""
    added_bytes: int
    damaged: tuple[str, ...]
    """What the store has damaged, or lost, in sentences; the backup is without it."""


@dataclass(frozen=True)
class Maker:
    """Makes backups of one service in one place; one at a time."""

    engine: Engine
    source: ObjectStore
    into: ObjectStore
    clock: Callable[[], datetime]
    told: Told

    def make(self) -> Made:
        """Raises StoreError, SQLAlchemyError, and Unusable when an earlier backup is damaged."""
        pool = Pool(self.into, place.contents(self.into))
        before = self._before()
        with TemporaryDirectory(prefix="residual-") as name:
            folder = Path(name)
            for _ in range(ROUNDS):
                whole = folder / "whole.jsonl.gz"
                snapshot = database.snapshot(self.engine, whole, at=self.clock())
                copier = Copier(self.source, pool, before)
                self._run(copier.units(snapshot))
                if not self._left_behind(snapshot, copier):
                    break
            gone = database.gone(self.engine, snapshot)
            database.drop(whole, *gone, into=folder / place.DATABASE)
            kept = [entry for entry in copier.entries.values() if not _is_of(entry, *gone)]
            place.write_entries(folder / place.OBJECTS, sorted(kept, key=lambda entry: entry.key))
            meta = _meta(snapshot, kept, gone)
            at = place.prefix(snapshot.at)
            files = {name: folder / name for name in (place.DATABASE, place.OBJECTS)}
            manifest.commit(self.into, at, files, meta.model_dump(mode="json"), at=self.clock())
        damaged = (*copier.damaged, *_missing(snapshot, copier, gone))
        named = at.removeprefix(place.BACKUPS)
        return Made(named, meta, pool.added, pool.added_bytes, damaged)

    def _before(self) -> dict[str, Entry]:
        if not place.backups(self.into):
            return {}
        newest = place.find(self.into)
        return {entry.key: entry for entry in place.index(self.into, newest)}

    def _run(self, units: Sequence[Unit]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            try:
                for done, _ in enumerate(threads.map(lambda unit: unit(), units), start=1):
                    self.told("copying", done, len(units))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise

    def _left_behind(self, snapshot: Snapshot, copier: Copier) -> bool:
        """Whether a job has gone on with another attempt, and what that went on from was dropped before
        it was copied."""
        now = database.attempts(self.engine)
        with_some = {key.split("/")[1] for key in copier.entries if "/checkpoints/" in key}
        return any(
            now.get(job.id, 0) > job.attempt > 0 and job.id not in with_some
            for job in snapshot.jobs.values()
        )


def _meta(snapshot: Snapshot, kept: Sequence[Entry], gone: tuple[set[str], set[Version]]) -> Meta:
    jobs, versions = gone
    return Meta(
        format=place.FORMAT,
        revision=snapshot.revision,
        version=version("residual"),
        jobs=len(snapshot.jobs) - len(jobs),
        versions=len(snapshot.versions) - len(versions),
        objects=len(kept),
        bytes=sum(entry.size for entry in kept),
        at=snapshot.at,
    )


def _is_of(entry: Entry, jobs: set[str], versions: set[Version]) -> bool:
    """Whether an object belongs to what was deleted meanwhile; claims stay."""
    parts = entry.key.split("/")
    if parts[0] == "jobs":
        return parts[1] in jobs
    if parts[0] == "models" and parts[-1] != "claim":
        return (parts[1], parts[2], int(parts[3])) in versions
    return False


def _missing(snapshot: Snapshot, copier: Copier, gone: tuple[set[str], set[Version]]) -> list[str]:
    """What the database speaks of and the store does not have."""
    jobs, versions = gone
    wanted = {
        f"version {number} of model {name} of project {project}": layout.model_version(
            project, name, number
        )
        for project, name, number in snapshot.versions
        if (project, name, number) not in versions
    }
    for job in snapshot.jobs.values():
        if job.id not in jobs and job.result and job.result.best:
            best = job.result.best
            wanted[f"the best checkpoint of {job.id}"] = layout.checkpoint(
                job.id, best.attempt, best.step
            )
    return [
        f"the store has no whole {what} ({at})" for what, at in wanted.items() if not copier.has(at)
    ]
