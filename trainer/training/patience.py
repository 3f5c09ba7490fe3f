"""Trying again while the object store is away. What an attempt does to it once goes through here."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from trainer.contract.objects.store import AlreadyExists, ObjectStore, StoreUnavailable

Answer = TypeVar("Answer")

PATIENCE_S = 120.0
"""Seconds that a store may be away before the attempt fails: a minute of it costs nobody anything."""
PAUSE_S = 1.0
"""Between two tries, give or take a half: those whom one store has left do not come back all at once."""


def patiently(  # noqa: PLR0913 - all by name, most for tests
    ask: Callable[[], Answer],
    *,
    failed: Callable[[StoreUnavailable], None] = lambda _: None,
    patience_s: float = PATIENCE_S,
    timer: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> Answer:
    """What `ask` returns; `failed` is told of each try that was in vain. Raises StoreUnavailable when the
    store stays away for `patience_s`."""
    until = timer() + patience_s
    while True:
        try:
            return ask()
        except StoreUnavailable as error:
            failed(error)
            if timer() >= until:
                raise
        sleep(PAUSE_S * (0.5 + chance()))


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
