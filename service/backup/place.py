"""What a backup looks like in the place where it is kept, a directory or a bucket. No other file spells a
key of it.

backups/<time>/database.jsonl.gz      every row of every table, one to a line (`database`)
               objects.jsonl.gz       every object of the store: its key, size and hash, one to a line
               manifest.json          hashes of these two, and what they are: written last, once
objects/<first two>/<sha256>          contents, shared by all backups in the place
"""

import gzip
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ValidationError

from trainer.contract import manifest
from trainer.contract.manifest import Damaged, Manifest
from trainer.contract.objects.store import NoSuchObject, ObjectStore

BACKUPS = "backups/"
CONTENTS = "objects/"
DATABASE = "database.jsonl.gz"
OBJECTS = "objects.jsonl.gz"
FORMAT = 1


class Entry(BaseModel, frozen=True, use_attribute_docstrings=True):
    """An object of the store that was backed up."""

    key: str
    size: int
    """Bytes."""
    sha256: str


class Meta(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a backup is of."""

    format: int
    revision: str
    """Of the database's tables, as migrations count them."""
    version: str
    """Of the program that made it."""
    jobs: int
    versions: int
    """Of models."""
    objects: int
    bytes: int
    """Of all its objects, also of those that an earlier backup had copied."""
    at: datetime
    """The moment that the database is of. Objects are of this moment or a little later."""


class Unusable(Exception):
    """There is no such backup, or it is damaged; the message is a sentence that names what."""


class Backup(BaseModel, frozen=True):
    """A backup that was made to its end."""

    prefix: str
    manifest: Manifest
    meta: Meta


def prefix(at: datetime) -> str:
    return f"{BACKUPS}{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def name(backup: Backup) -> str:
    return backup.prefix.removeprefix(BACKUPS)


def content(sha256: str) -> str:
    return f"{CONTENTS}{sha256[:2]}/{sha256}"


def contents(place: ObjectStore) -> set[str]:
    """Hashes of what is there."""
    return {found.key.rpartition("/")[2] for found in place.list(CONTENTS)}


def backups(place: ObjectStore) -> list[str]:
    """Names of those made to their end, oldest first."""
    return [found.removeprefix(BACKUPS) for found in manifest.prefixes(place, BACKUPS)]


def find(place: ObjectStore, named: str | None = None) -> Backup:
    """The backup of a name, or the newest. Raises Unusable."""
    there = backups(place)
    if not there:
        raise Unusable("there is no backup: no `residual backup` has come to its end there")
    if named is not None and named not in there:
        raise Unusable(f"there is no backup {named}; there are {', '.join(there[-10:])}")
    at = BACKUPS + (named or there[-1])
    try:
        found = manifest.read(place, at)
        meta = Meta.model_validate(found.meta)
    except (Damaged, ValidationError, NoSuchObject) as error:
        raise Unusable(f"the backup is damaged: {at}/{manifest.MANIFEST}") from error
    if meta.format != FORMAT:
        raise Unusable(f"backup {at} has format {meta.format}; this program reads {FORMAT}")
    return Backup(prefix=at, manifest=found, meta=meta)


def fetch(place: ObjectStore, backup: Backup, into: Path) -> dict[str, Path]:
    """Its two files, each as it was written. Raises Unusable."""
    try:
        return manifest.fetch(place, backup.prefix, backup.manifest, into)
    except Damaged as error:
        raise Unusable(f"the backup is damaged: {error}") from error


def index(place: ObjectStore, backup: Backup) -> list[Entry]:
    """Every object of a backup. Raises Unusable."""
    with TemporaryDirectory(prefix="residual-") as folder:
        return list(read_entries(fetch(place, backup, Path(folder))[OBJECTS]))


def write_entries(path: Path, entries: Iterable[Entry]) -> None:
    with gzip.open(path, "wt") as file:
        file.writelines(f"{entry.model_dump_json()}\n" for entry in entries)


def read_entries(path: Path) -> Iterator[Entry]:
    with gzip.open(path, "rt") as file:
        for line in file:
            yield Entry.model_validate_json(line)
