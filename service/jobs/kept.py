"""A bounded memory of objects that never change again. Used by `History`."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from trainer.contract.objects.store import ObjectStore


@dataclass
class Kept:
    """Reads objects, and remembers the final ones: the least recently read are forgotten first."""

    objects: ObjectStore
    limit_bytes: int = 32 << 20
    _bodies: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    _size: int = 0
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: str, *, final: Callable[[bytes], bool]) -> bytes:
        """The object under `key`; it is not read again if `final` says so. Raises NoSuchObject."""
        with self._lock:
            if key in self._bodies:
                self._bodies.move_to_end(key)
                return self._bodies[key]
        body = self.objects.get(key)
        if final(body) and len(body) <= self.limit_bytes:
            with self._lock:
                self._size += len(body) - len(self._bodies.get(key, b""))
                self._bodies[key] = body
                while self._size > self.limit_bytes:
                    self._size -= len(self._bodies.popitem(last=False)[1])
        return body
