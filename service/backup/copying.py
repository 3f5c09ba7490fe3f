"""Copies objects between a store and a backup, each under its hash. Used by `making` and `restoring`."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from service.backup import place
from service.backup.place import Entry, Unusable
from trainer.contract.objects.store import NoSuchObject, ObjectStore, StoredObject

IN_MEMORY = 8 << 20
"""Bytes. Larger objects go by way of a file."""


@dataclass
class Pool:
    """The contents of a place; several threads may add to it."""

    place: ObjectStore
    there: set[str]
    """Hashes of what it has."""
    added: int = 0
    """Objects that were copied."""
    added_bytes: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, source: ObjectStore, found: StoredObject) -> Entry:
        """Copy an object, unless its contents are there. Raises NoSuchObject when it has gone."""
        if found.size <= IN_MEMORY:
            data = source.get(found.key)
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 not in self.there:
                self.place.put(place.content(sha256), data)
            return self._noted(Entry(key=found.key, size=len(data), sha256=sha256))
        with TemporaryDirectory(prefix="residual-") as folder:
            path = Path(folder) / "object"
            source.download(found.key, path)
            sha256 = _sha256(path)
            if sha256 not in self.there:
                self.place.upload(place.content(sha256), path)
            return self._noted(Entry(key=found.key, size=path.stat().st_size, sha256=sha256))

    def check(self, entry: Entry) -> None:
        """Read an object's contents. Raises Unusable when they are not what was backed up."""
        digest, size = hashlib.sha256(), 0
        try:
            for piece in self.place.stream(place.content(entry.sha256)):
                digest.update(piece)
                size += len(piece)
        except NoSuchObject as error:
            raise _damaged(entry, "is missing") from error
        if (size, digest.hexdigest()) != (entry.size, entry.sha256):
            raise _damaged(entry, "is not what was backed up")

    def bring_back(self, entry: Entry, target: ObjectStore) -> None:
        """Write an object to a store. Raises Unusable when its contents are damaged."""
        content = place.content(entry.sha256)
        try:
            if entry.size <= IN_MEMORY:
                data = self.place.get(content)
                if hashlib.sha256(data).hexdigest() != entry.sha256:
                    raise _damaged(entry, "is not what was backed up")
                target.put(entry.key, data)
                return
            with TemporaryDirectory(prefix="residual-") as folder:
                path = Path(folder) / "object"
                self.place.download(content, path)
                if _sha256(path) != entry.sha256:
                    raise _damaged(entry, "is not what was backed up")
                target.upload(entry.key, path)
        except NoSuchObject as error:
            raise _damaged(entry, "is missing") from error

    def _noted(self, entry: Entry) -> Entry:
        with self._lock:
            if entry.sha256 not in self.there:
                self.there.add(entry.sha256)
                self.added += 1
                self.added_bytes += entry.size
        return entry


def _damaged(entry: Entry, how: str) -> Unusable:
    return Unusable(
        f"the backup is damaged: the object {entry.key} {how} ({place.content(entry.sha256)})"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
