"""What the service asks of an object store. `local` and `s3` keep the same promises.

StoreError
├── NoSuchObject      the key is not there
├── AlreadyExists     create() found the key taken; the stored object is unchanged
└── StoreUnavailable  the store cannot be reached or written; trying again may help
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """An object store could not do what was asked."""


class NoSuchObject(StoreError):
    """There is no object under the key."""


class AlreadyExists(StoreError):
    """An object is under the key already, and stays as it is."""


class StoreUnavailable(StoreError):
    """The store does not answer, or refuses to write."""


class StoredObject(NamedTuple):
    """One object in a listing."""

    key: str
    size: int
    """Bytes."""


class ObjectStore(Protocol):
    """Keys are relative, '/'-separated paths. Every write is whole or not there, and durable."""

    def put(self, key: str, data: bytes) -> None:
        """Write, replacing what was there."""

    def create(self, key: str, data: bytes) -> None:
        """Write unless the key is taken: of several writers one wins. Raises AlreadyExists."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's contents, replacing what was there."""

    def get(self, key: str, start: int = 0) -> bytes:
        """The object's bytes from `start` on. Raises NoSuchObject."""

    def download(self, key: str, path: Path) -> None:
        """Write the object to a local file. Raises NoSuchObject."""

    def stream(self, key: str) -> Iterator[bytes]:
        """The object in pieces of at most 1 MiB. Raises NoSuchObject before the first."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key starts with `prefix`, in the order of their keys."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
