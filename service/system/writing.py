"""Whether the parts that keep things can be written, and what is wrong when they cannot: for `/readyz` and
for `problems`."""

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from trainer.contract.objects.store import StoreError

DISKS: dict[int, str] = {
    errno.ENOSPC: "its disk is full; free space there",
    errno.EDQUOT: "its disk quota is used up; free space there",
    errno.EROFS: "its disk is read-only; mend it",
}
DATABASES = {
    "database or disk is full": DISKS[errno.ENOSPC],
    "readonly database": DISKS[errno.EROFS],
    "disk I/O error": "its disk fails, or is full; look at it",
    "could not extend file": DISKS[errno.ENOSPC],
}
"""What SQLite and PostgreSQL say → what it means."""
AGAIN = "try again in a moment"


def store_trouble(error: StoreError) -> str:
    """A sentence for whoever asked."""
    cause = error.__cause__
    known = DISKS.get(cause.errno or 0) if isinstance(cause, OSError) else None
    return _sentence("object store", known)


def database_trouble(error: Exception) -> str:
    """A sentence for whoever asked."""
    said = str(error.orig) if isinstance(error, DBAPIError) else ""
    known = (meaning for words, meaning in DATABASES.items() if words in said)
    return _sentence("database", next(known, None))


def _sentence(part: str, known: str | None) -> str:
    if known is None:
        return f"The {part} does not answer; {AGAIN}."
    return f"The {part} cannot be written: {known}, then {AGAIN}."


@dataclass
class Sparing:
    """A check that writes: made once in a while, however often it is asked for. Safe for several threads."""

    check: Callable[[], object]
    lasts_s: float = 2.0
    timer: Callable[[], float] = time.monotonic
    _made_at: float | None = None
    _failure: Exception | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> None:
        """Raises what the newest check raised."""
        with self._lock:
            if self._made_at is None or self.timer() - self._made_at >= self.lasts_s:
                self._failure = self._make()
                self._made_at = self.timer()
            if self._failure is not None:
                raise self._failure

    def _make(self) -> Exception | None:
        try:
            self.check()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to all who ask
            return error
        return None
