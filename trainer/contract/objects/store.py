"""What the service and training ask of an object store. `local` and `s3` keep the same promises.

StoreError
├── NoSuchObject      the key is not there
├── AlreadyExists     create() found the key taken; the stored object is unchanged
├── BadKey            the key means different things to different stores; none takes it
└── StoreUnavailable  the store cannot be reached or written; trying again may help
    └── Overwrites    it replaces what was to be created once: no two programs can rely on it
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

Piece = bytes | memoryview
"""Of an object that is written."""
LONGEST_KEY = 900
"""Bytes. S3 takes 1,024, with the prefix of the store in front."""
LONGEST_NAME = 255
"""Bytes between two '/': what file systems take."""


class StoreError(Exception):
    """An object store could not do what was asked."""


class NoSuchObject(StoreError):
    """There is no object under the key."""


class AlreadyExists(StoreError):
    """An object is under the key already, and stays as it is."""


class BadKey(StoreError):
    """The key is not one that every store takes, and takes alike."""


class StoreUnavailable(StoreError):
    """The store does not answer, or refuses to write."""


class Overwrites(StoreUnavailable):
    """The store lets a second create() replace the first."""


class StoredObject(NamedTuple):
    """One object in a listing."""

    key: str
    size: int
    """Bytes."""


class ObjectStore(Protocol):
    """Keys are relative, '/'-separated paths, none of them the folder of another. Every write is whole
    or not there, and durable; who reads while another overwrites gets all of one of the two. Every
    method raises StoreUnavailable, and BadKey for a key that `check_key` refuses."""

    def put(self, key: str, data: bytes) -> None:
        """Write, replacing what was there."""

    def create(self, key: str, data: bytes) -> None:
        """Write unless the key is taken: of several writers one wins. Raises AlreadyExists."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's contents, replacing what was there."""

    def write(self, key: str, pieces: Iterable[Piece]) -> None:
        """Write what the pieces make together, replacing what was there. Each is asked for once."""

    def get(self, key: str, start: int = 0) -> bytes:
        """The object's bytes from `start` on; nothing when it is no longer. Raises NoSuchObject."""

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file. Raises NoSuchObject."""

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`, in pieces of at most 1 MiB. Raises NoSuchObject
        before the first piece."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key starts with `prefix`, each once; those of one folder in the order of their
        names. What is written or deleted meanwhile may be there or not."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""

    def presigned(self, key: str, lasting: timedelta) -> str | None:
        """A URL by which anyone can read this one object for so long; None where there are none. It is
        a secret: it belongs in no log."""

    def sweep(self, older_than: timedelta) -> int:
        """Give up writes that were begun so long ago and never finished, as those of a killed process;
        how many there were."""


def check_key(key: str) -> None:
    """Raises BadKey for what would leave a directory, or what stores are known to read differently."""
    parts = key.split("/")
    if (
        not all(0 < len(part.encode(errors="replace")) <= LONGEST_NAME for part in parts)
        or len(key.encode(errors="replace")) > LONGEST_KEY
        or {".", ".."} & set(parts)
        or "\\" in key
        or not key.isprintable()
        or key.startswith(".staging/")
    ):
        raise BadKey(
            f"{key!r} is no key: names between '/' of at most {LONGEST_NAME} bytes, printable, none of "
            "them '.' or '..'"
        )
