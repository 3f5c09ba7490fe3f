"""How tests wait: on a condition, never on time. Used by all tests that have something to wait for."""

import time
from collections.abc import Callable
from typing import TypeVar

LOOK_EVERY_S = 0.02

Seen = TypeVar("Seen")


def until(
    look: Callable[[], Seen | None], *, within_s: float, every_s: float = LOOK_EVERY_S
) -> Seen:
    """What `look` gives as soon as that is true. Fails when it takes too long. `every_s`: more where a look
    costs something."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(every_s)
    return seen
