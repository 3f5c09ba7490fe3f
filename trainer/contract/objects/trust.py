"""The one promise of a store that everything else stands on: what was created once stays. The service
orders nothing on a store that has not shown it."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from trainer.contract import layout
from trainer.contract.objects.store import (
    AlreadyExists,
    ObjectStore,
    Overwrites,
    Piece,
    StoredObject,
    StoreUnavailable,
)


def check_create(store: ObjectStore) -> None:
    """Create one small object twice, under a key of its own. Raises Overwrites, StoreUnavailable."""
    key = layout.probe(secrets.token_hex(8))
    try:
        store.create(key, b"first")
        with suppress(AlreadyExists):
            store.create(key, b"second")
            raise Overwrites(
                "the object store replaced an object that was to be created once: two attempts of a job "
                "could undo each other's work; use a store that honours 'If-None-Match: *' (`residual "
                "store verify` tries one)"
            )
    finally:
        with suppress(StoreUnavailable):
            store.delete(key)


@dataclass
class Trusted:
    """A store of which nothing is written before it was seen to keep the promise. Reading goes on."""

    store: ObjectStore
    _shown: bool = field(default=False, init=False)

    def show(self) -> None:
        """Asks it until it has shown it once. Raises Overwrites, StoreUnavailable."""
        if not self._shown:
            check_create(self.store)
            self._shown = True

    def put(self, key: str, data: bytes) -> None:
        self.show()
        self.store.put(key, data)

    def create(self, key: str, data: bytes) -> None:
        self.show()
        self.store.create(key, data)

    def upload(self, key: str, path: Path) -> None:
        self.show()
        self.store.upload(key, path)

    def write(self, key: str, pieces: Iterable[Piece]) -> None:
        self.show()
        self.store.write(key, pieces)

    def get(self, key: str, start: int = 0) -> bytes:
        return self.store.get(key, start)

    def download(self, key: str, path: Path) -> None:
        self.store.download(key, path)

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        return self.store.stream(key, start, stop)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return self.store.list(prefix)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def presigned(self, key: str, lasting: timedelta) -> str | None:
        return self.store.presigned(key, lasting)

    def sweep(self, older_than: timedelta) -> int:
        return self.store.sweep(older_than)
