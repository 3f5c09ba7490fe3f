"""Records that grow while a job runs, as numbered chunk objects of JSON lines.

The newest chunk is rewritten as it grows and closed when it is full, so a writer costs one small
put a flush, however long the job, and a reader never fetches a closed chunk twice.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from trainer.contract.objects.store import NoSuchObject, ObjectStore

CHUNK_RECORDS = 2000
"""About 300 KB of metric points."""

Record = dict[str, Any]


def chunk_key(prefix: str, number: int) -> str:
    return f"{prefix}/{number:06d}.jsonl"


@dataclass
class JournalWriter:
    """The one writer below `prefix`. Not safe for several threads at once."""

    store: ObjectStore
    prefix: str
    _number: int = 0
    _lines: list[str] = field(default_factory=list)

    def append(self, records: Iterable[Record]) -> None:
        """Write `records`; when this returns a reader can see them.

        After a failure they are kept: the next call writes them too, if only with no new records.
        """
        self._lines.extend(json.dumps(record, separators=(",", ":")) for record in records)
        while len(self._lines) >= CHUNK_RECORDS:
            self._put(self._lines[:CHUNK_RECORDS])
            self._number, self._lines = self._number + 1, self._lines[CHUNK_RECORDS:]
        if self._lines:
            self._put(self._lines)

    def _put(self, lines: list[str]) -> None:
        body = "\n".join(lines) + "\n"
        self.store.put(chunk_key(self.prefix, self._number), body.encode())


def read(
    store: ObjectStore, prefix: str, *, from_chunk: int = 0
) -> Iterator[tuple[int, list[Record]]]:
    """Chunk numbers from `from_chunk` on, each with its records so far."""
    number = from_chunk
    while True:
        try:
            body = store.get(chunk_key(prefix, number))
        except NoSuchObject:
            return
        yield number, [json.loads(line) for line in body.splitlines()]
        number += 1
