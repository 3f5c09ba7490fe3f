"""Chunks of journals, read from where they matter. Used by `History`."""

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock

from service.jobs.kept import Kept
from trainer.contract.journal import CHUNK_RECORDS, chunk_key
from trainer.contract.objects.store import NoSuchObject

JOURNALS = 1000
"""Of so many it is remembered where closed chunks end: some 50 KB for a million points."""


@dataclass
class Chunks:
    """Of a journal whose steps ascend it remembers, once a closed chunk was read, which step that ends with:
    the early chunks of a long one are not read again. Safe for several threads at once."""

    kept: Kept
    _ends: OrderedDict[str, dict[int, int]] = field(default_factory=OrderedDict)
    """By prefix: closed chunk → its last step."""
    _lock: Lock = field(default_factory=Lock)

    def read(self, prefix: str) -> Iterator[list[bytes]]:
        """The lines of each chunk."""
        for _, body in self._from(prefix, 0, self._body(prefix, 0)):
            yield body.splitlines()

    def since(self, prefix: str, step: int) -> Iterator[list[bytes]]:
        """The lines of each chunk that can have `step` or later ones."""
        number = self._after_remembered(prefix, step)
        body = self._body(prefix, number)
        if body is not None and self._is_before(prefix, number, body, step):
            number = self._search(prefix, number + 1, step)
            body = self._body(prefix, number)
        for found, content in self._from(prefix, number, body):
            self._is_before(prefix, found, content, step)  # for the next time
            yield content.splitlines()

    def _from(self, prefix: str, number: int, body: bytes | None) -> Iterator[tuple[int, bytes]]:
        """Chunks by their numbers, from `number` on, whose `body` is known."""
        while body is not None:
            yield number, body
            number += 1
            body = self._body(prefix, number) if _is_closed(body) else None

    def _search(self, prefix: str, low: int, step: int) -> int:
        """The first chunk from `low` on that can have `step`. Reads about twice the logarithm of those
        before it: in growing strides up to one that can, then halves of the last stride."""
        high, stride = None, 1
        while high is None or low < high:
            probe = low + stride - 1 if high is None else (low + high) // 2
            if self._ends_before(prefix, probe, step):
                low, stride = probe + 1, 2 * stride
            else:
                high = probe
        return low

    def _ends_before(self, prefix: str, number: int, step: int) -> bool:
        """Whether a chunk is closed, and has only earlier steps."""
        with self._lock:
            end = self._ends.get(prefix, {}).get(number)
        if end is not None:
            return end < step
        body = self._body(prefix, number)
        return body is not None and self._is_before(prefix, number, body, step)

    def _is_before(self, prefix: str, number: int, body: bytes, step: int) -> bool:
        """The same of a chunk's `body`; remembers where it ends."""
        if not _is_closed(body):
            return False
        end = step_of(body[body.rindex(b"\n", 0, -1) + 1 :])
        with self._lock:
            self._ends.setdefault(prefix, {})[number] = end
            self._ends.move_to_end(prefix)
            while len(self._ends) > JOURNALS:
                self._ends.popitem(last=False)
        return end < step

    def _after_remembered(self, prefix: str, step: int) -> int:
        """One more than the last chunk that is remembered to end before `step`."""
        with self._lock:
            ends = self._ends.get(prefix, {})
            return 1 + max((number for number, end in ends.items() if end < step), default=-1)

    def _body(self, prefix: str, number: int) -> bytes | None:
        try:
            return self.kept.get(chunk_key(prefix, number), final=_is_closed)
        except NoSuchObject:
            return None


def step_of(line: bytes) -> int:
    """Of a metric point, without reading the rest of it."""
    step: int = json.loads(line)["step"]
    return step


def _is_closed(chunk: bytes) -> bool:
    return chunk.count(b"\n") >= CHUNK_RECORDS
