"""A process that trains a little network, and dies by SIGKILL inside the saving of a checkpoint. For
`saving`, which starts it."""

import os
import signal
import threading
from dataclasses import dataclass, field
from mmap import PAGESIZE
from typing import Any
from unittest.mock import patch

from tests.training.small_runs import attempt, order
from trainer.contract.objects import direct
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore
from trainer.contract.spec import ResolvedSpec

WRITING = ("write", "create", "delete")


@dataclass(frozen=True)
class Doom:
    """When to die."""

    saving: int
    """In which saving of the process, from 1."""
    write: int
    """With which of its writes, from 1: files, then the manifest, then what is deleted for it."""
    after_s: float
    """How long after that write has begun."""


@dataclass
class Doomed:
    """`store`, until the doom. Only the thread that saves checkpoints writes below their folder."""

    store: ObjectStore
    doom: Doom
    saving: int = 0
    writes: int = 0
    _last: str = ""
    _timer: "threading.Timer | None" = field(default=None, repr=False)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name not in WRITING:
            return found

        def write(key: str, *more: Any) -> Any:
            if "/checkpoints/" in key:
                self._count(name, key)
            return found(key, *more)

        return write

    def _count(self, name: str, key: str) -> None:
        prefix = key.rpartition("/")[0]
        if name == "write" and prefix != self._last:
            self.saving, self.writes, self._last = self.saving + 1, 0, prefix
        self.writes += 1
        if self._timer is None and (self.saving, self.writes) >= (
            self.doom.saving,
            self.doom.write,
        ):
            self._timer = threading.Timer(self.doom.after_s, _die)
            self._timer.start()


def train(
    url: str, environment: dict[str, str], number: int, spec: ResolvedSpec, doom: Doom | None
) -> None:
    """Attempt `number` at a job that trains `spec`, to its end or its doom."""
    os.environ.update(environment)
    store: Any = open_store(url)
    with patch.object(direct, "LEAST", PAGESIZE):  # as what is large is written
        attempt(Doomed(store, doom) if doom else store, order(number, spec))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
