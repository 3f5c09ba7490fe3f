"""An object store whose calls are measured. `stores` puts it between the service and the real one."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from service.metrics.instruments import Instruments
from trainer.contract.objects.store import ObjectStore, Piece, StoredObject, StoreUnavailable


@dataclass(frozen=True)
class MeasuredStore:
    """Implements `ObjectStore`. What is not there is an answer, and no failure of the store."""

    store: ObjectStore
    instruments: Instruments
    timer: Callable[[], float] = time.perf_counter

    def put(self, key: str, data: bytes) -> None:
        with self._timing("put"):
            self.store.put(key, data)

    def create(self, key: str, data: bytes) -> None:
        with self._timing("create"):
            self.store.create(key, data)

    def upload(self, key: str, path: Path) -> None:
        with self._timing("upload"):
            self.store.upload(key, path)

    def write(self, key: str, pieces: Iterable[Piece]) -> None:
        with self._timing("write"):
            self.store.write(key, pieces)

    def get(self, key: str, start: int = 0) -> bytes:
        with self._timing("get"):
            return self.store.get(key, start)

    def download(self, key: str, path: Path) -> None:
        with self._timing("download"):
            self.store.download(key, path)

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Measured up to the first piece: how fast the others go is the reader's doing."""
        pieces = self.store.stream(key, start, stop)
        with self._timing("stream"):
            first = next(pieces, None)
        if first is not None:
            yield first
            yield from pieces

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Measured up to the first object."""
        found = self.store.list(prefix)
        with self._timing("list"):
            first = next(found, None)
        if first is not None:
            yield first
            yield from found

    def delete(self, key: str) -> None:
        with self._timing("delete"):
            self.store.delete(key)

    def presigned(self, key: str, lasting: timedelta) -> str | None:
        return self.store.presigned(key, lasting)  # computed here: no call to the store

    def sweep(self, older_than: timedelta) -> int:
        with self._timing("sweep"):
            return self.store.sweep(older_than)

    def _timing(self, operation: str) -> AbstractContextManager[None]:
        failures = (StoreUnavailable,)
        return self.instruments.timing("object_store", operation, self.timer, failures=failures)
