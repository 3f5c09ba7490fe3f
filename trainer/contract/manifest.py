"""A manifest makes a set of objects believable: it is written last, once, and names each by hash.

What has no manifest is not there; what does not match its manifest, or its own seal, is damaged.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from trainer.contract import crashes
from trainer.contract.crashes import Point
from trainer.contract.objects.store import NoSuchObject, ObjectStore, Piece

MANIFEST = "manifest.json"
SEAL = b',"seal":"'
"""Comes before the SHA-256 of all of a manifest that precedes it, as its last field: so a changed digit in
what no other hash covers is found too."""


class Damaged(Exception):
    """An object is missing, or is not what its manifest says."""


class FileEntry(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    name: str
    size: int
    """Bytes."""
    sha256: str


class Manifest(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """`files` and what they are: `meta` is a checkpoint's or a model version's own facts."""

    files: tuple[FileEntry, ...]
    meta: dict[str, Any]
    created_at: datetime


def commit(
    store: ObjectStore,
    prefix: str,
    files: Mapping[str, Path | Iterable[Piece]],
    meta: dict[str, Any],
    *,
    at: datetime,
) -> Manifest:
    """Write `files` under `prefix`, each a local file or the pieces of one, then the manifest. Raises
    AlreadyExists if there is one."""
    entries = [_store(store, prefix, name, content) for name, content in files.items()]
    crashes.point(Point.AFTER_FILES)
    return commit_stored(store, prefix, entries, meta, at=at)


def commit_stored(
    store: ObjectStore,
    prefix: str,
    files: Iterable[FileEntry],
    meta: dict[str, Any],
    *,
    at: datetime,
) -> Manifest:
    """Write the manifest of `files` that lie under `prefix` already. Raises AlreadyExists if there is one."""
    manifest = Manifest(files=tuple(files), meta=meta, created_at=at)
    store.create(f"{prefix}/{MANIFEST}", _sealed(manifest.model_dump_json().encode()))
    return manifest


def read(store: ObjectStore, prefix: str) -> Manifest:
    """The manifest under `prefix`. Raises NoSuchObject, or Damaged when it is not readable."""
    data = store.get(f"{prefix}/{MANIFEST}")
    try:
        return Manifest.model_validate_json(_unsealed(data))
    except ValueError as error:
        raise Damaged(f"{prefix}/{MANIFEST} is not a manifest, or not as it was written") from error


def fetch(store: ObjectStore, prefix: str, manifest: Manifest, into: Path) -> dict[str, Path]:
    """Download the files that `manifest` names and verify each. Raises Damaged."""
    paths = {}
    for entry in manifest.files:
        path = into / entry.name
        try:
            store.download(f"{prefix}/{entry.name}", path)
        except NoSuchObject as error:
            raise Damaged(f"{prefix}/{entry.name} is missing") from error
        if path.stat().st_size != entry.size or _sha256(path) != entry.sha256:
            raise Damaged(f"{prefix}/{entry.name} is not what its manifest says")
        paths[entry.name] = path
    return paths


def is_whole(store: ObjectStore, prefix: str, entry: FileEntry) -> bool:
    """Whether a file is what its manifest says. Reads all of it, and keeps none."""
    digest, size = hashlib.sha256(), 0
    try:
        for piece in store.stream(f"{prefix}/{entry.name}"):
            digest.update(piece)
            size += len(piece)
    except NoSuchObject:
        return False
    return (size, digest.hexdigest()) == (entry.size, entry.sha256)


def prefixes(store: ObjectStore, below: str) -> Iterator[str]:
    """Every prefix under `below` that has a manifest, in the order of their keys."""
    for found in store.list(below):
        if found.key.endswith(f"/{MANIFEST}"):
            yield found.key.removesuffix(f"/{MANIFEST}")


def _store(
    store: ObjectStore, prefix: str, name: str, content: Path | Iterable[Piece]
) -> FileEntry:
    if isinstance(content, Path):
        store.upload(f"{prefix}/{name}", content)
        return FileEntry(name=name, size=content.stat().st_size, sha256=_sha256(content))
    digest, size = hashlib.sha256(), 0

    def told() -> Iterator[Piece]:
        nonlocal size
        for piece in content:
            digest.update(piece)
            size += len(piece)
            yield piece

    store.write(f"{prefix}/{name}", told())
    return FileEntry(name=name, size=size, sha256=digest.hexdigest())


def _sealed(body: bytes) -> bytes:
    """A JSON object with its seal."""
    return body.removesuffix(b"}") + SEAL + hashlib.sha256(body).hexdigest().encode() + b'"}'


def _unsealed(data: bytes) -> bytes:
    """A JSON object without its seal; one of an earlier version has none. Raises ValueError when the two
    do not belong together."""
    head, found, _ = data.rpartition(SEAL)
    body = head + b"}"
    if found and _sealed(body) != data:
        raise ValueError("the seal does not match")
    return body if found else data


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
