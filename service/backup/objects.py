"""Copies what a snapshot of the database speaks of out of a store that is in use. Used by `making`.

Whatever names others is copied before them: an attempt's outcome before its checkpoints, a manifest's own
files by the manifest, a checkpoint before the metrics that led to it. So what is in a backup is never ahead
of what it stands on. What is dropped meanwhile is left out, whole.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from service.backup.copying import Pool
from service.backup.database import Snapshot
from service.backup.place import Entry
from service.lifecycle import HOLDING, Job
from trainer.contract import layout, manifest
from trainer.contract.manifest import MANIFEST, Damaged, FileEntry
from trainer.contract.objects.store import NoSuchObject, ObjectStore, StoredObject

Unit = Callable[[], object]
"""Some objects, copied one after the other; units may be copied at the same time."""

INPUTS_AT_ONCE = 200
CHECKPOINTS, REST = 3, 4
"""The last stages of copying a job, of `_stage`."""
LOOKS = 5
"""How often the checkpoints of a job are looked for that drops them faster than they are copied."""


@dataclass
class Copier:
    """One backup's copying."""

    source: ObjectStore
    pool: Pool
    before: dict[str, Entry]
    """By key, what an earlier backup had: of what cannot change it is believed."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """By key, what was copied."""
    damaged: list[str] = field(default_factory=list)
    """What the store itself has damaged, in sentences; left out."""

    def units(self, snapshot: Snapshot) -> list[Unit]:
        """All there is to copy; nothing is copied yet."""
        versions = [layout.model_version(*version) for version in snapshot.versions]
        others = [
            found
            for below in (layout.imported(""), layout.dataset(""))
            for found in manifest.prefixes(self.source, below)
        ]
        return [
            *(partial(self._whole, prefix) for prefix in [*versions, *others]),
            self._claims,
            *(partial(self._job, job) for job in snapshot.jobs.values()),
            *self._inputs(),
        ]

    def has(self, prefix: str) -> bool:
        """Whether what is under `prefix` was copied to its manifest."""
        return f"{prefix}/{MANIFEST}" in self.entries

    def _job(self, job: Job) -> None:
        """Of one that is at work the store is listed anew for each stage, or it would be ahead."""
        listed = self._of(job)
        for stage in range(REST + 1):
            if job.state in HOLDING:
                listed = self._of(job)
            wanted = [found for found in listed if _stage(found.key) == stage]
            if stage == CHECKPOINTS:
                self._checkpoints(job, wanted)
            else:
                self._all(job, wanted)

    def _of(self, job: Job) -> list[StoredObject]:
        """What the job has by the snapshot: what later attempts have is not in the database."""
        folder = layout.job(job.id) + "/"
        return [
            found for found in self.source.list(folder) if (_attempt(found.key) or 0) <= job.attempt
        ]

    def _checkpoints(self, job: Job, listed: Iterable[StoredObject]) -> None:
        """The newest first; looked for again when one was dropped before it was copied."""
        for _ in range(LOOKS):
            manifests = [found.key for found in listed if found.key.endswith(f"/{MANIFEST}")]
            wanted = [key.removesuffix(f"/{MANIFEST}") for key in reversed(manifests)]
            if all(self.has(prefix) or self._whole(prefix) for prefix in wanted):
                return
            listed = [found for found in self._of(job) if _stage(found.key) == CHECKPOINTS]

    def _whole(self, prefix: str) -> bool:
        """A manifest and what it names, or nothing; whether it was still there."""
        try:
            found = manifest.read(self.source, prefix)
            files = [self._file(prefix, entry) for entry in found.files]
            own = self.pool.add(self.source, StoredObject(f"{prefix}/{MANIFEST}", 0))
        except NoSuchObject as error:
            return self._is_damage(prefix, error)
        except Damaged as error:
            self.damaged.append(str(error))
            return True
        self.entries |= {entry.key: entry for entry in (*files, own)}
        return True

    def _file(self, prefix: str, entry: FileEntry) -> Entry:
        """One that cannot change: read only if no backup has its contents."""
        key = f"{prefix}/{entry.name}"
        if entry.sha256 in self.pool.there:
            return Entry(key=key, size=entry.size, sha256=entry.sha256)
        copied = self.pool.add(self.source, StoredObject(key, entry.size))
        if (copied.size, copied.sha256) != (entry.size, entry.sha256):
            raise Damaged(f"{key} is not what its manifest says")
        return copied

    def _is_damage(self, prefix: str, error: NoSuchObject) -> bool:
        """False: it was dropped meanwhile, its manifest first. True: a file is missing, to stay so."""
        try:
            self.source.get(f"{prefix}/{MANIFEST}")
        except NoSuchObject:
            return False
        self.damaged.append(f"{error} is missing, which {prefix}/{MANIFEST} names")
        return True

    def _claims(self) -> None:
        """Numbers of versions that were ever given stay taken."""
        for found in self.source.list(layout.all_models()):
            if found.key.endswith("/claim"):
                self._one(found, closed=True)

    def _inputs(self) -> Iterator[Unit]:
        listed = list(self.source.list(layout.all_inputs()))
        for start in range(0, len(listed), INPUTS_AT_ONCE):
            yield partial(self._each, listed[start : start + INPUTS_AT_ONCE])

    def _each(self, listed: Iterable[StoredObject]) -> None:
        for found in listed:
            self._one(found, closed=False)

    def _all(self, job: Job, listed: Iterable[StoredObject]) -> None:
        at_work = job.state in HOLDING
        for found in listed:
            attempt = _attempt(found.key)
            self._one(found, closed=not at_work or bool(attempt and attempt < job.attempt))

    def _one(self, found: StoredObject, *, closed: bool) -> None:
        """`closed`: nobody writes it any more, so the same key and size are the same contents."""
        if found.key in self.entries:
            return
        known = self.before.get(found.key)
        if closed and known and known.size == found.size and known.sha256 in self.pool.there:
            self.entries[found.key] = known
            return
        try:
            self.entries[found.key] = self.pool.add(self.source, found)
        except NoSuchObject:  # dropped since it was listed
            return


def _attempt(key: str) -> int | None:
    """Of a job's object; None: it belongs to the job itself."""
    number = key.split("/")[2]
    return int(number) if number.isdecimal() else None


def _stage(key: str) -> int:
    """When an object of a job is copied: before those that it names, or that stand on it."""
    if key.endswith("/outcome.json"):
        return 0
    if "/predictions/" in key and key.endswith(f"/{MANIFEST}"):
        return 1
    if "/predictions/done/" in key:
        return 2
    return CHECKPOINTS if "/checkpoints/" in key else REST
