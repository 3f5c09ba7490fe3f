"""Trying again while the object store is away. What an attempt does to it once goes through here."""

import time
from collections.abc import Callable
from typing import TypeVar

from trainer.contract.objects.store import AlreadyExists, ObjectStore, StoreUnavailable

Answer = TypeVar("Answer")

PATIENCE_S = 60.0
"""Seconds that a store may be away before the attempt fails."""


def patiently(
    ask: Callable[[], Answer],
    *,
    patience_s: float = PATIENCE_S,
    pause_s: float = 1.0,
    timer: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """What `ask` returns. Raises StoreUnavailable when the store stays away for `patience_s`."""
    until = timer() + patience_s
    while True:
        try:
            return ask()
        except StoreUnavailable:
            if timer() >= until:
                raise
        sleep(pause_s)


def create_mine(store: ObjectStore, key: str, data: bytes) -> bool:
    """Create `key` patiently; False if somebody else's object is there.

    A store that was away may have written before it lost its answer: then what is there is ours.
    """

    def create() -> bool:
        try:
            store.create(key, data)
        except AlreadyExists:
            return store.get(key) == data
        return True

    return patiently(create)
