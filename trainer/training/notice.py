"""A worker hears that its process or its machine is about to go, keeps a checkpoint and ends before that.

`rendezvous` lets each worker `listen` in its main thread; `worker` finds what it `heard`, and the vigil asks.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

GRACE_S = 20.0
"""Seconds that a process told to end has for its checkpoint. The other workers may be gone or frozen, and
then it ends without; whoever sends SIGTERM mostly waits for 30."""
LOOK_EVERY_S = 2.0
"""Seconds between two looks at whether the machine is to go."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Notice:
    """One process's. It is the handler of SIGTERM itself, so that any thread can find it."""

    grace_s: float = GRACE_S
    kill: Callable[[], None] = _kill
    why: str | None = None
    """What the worker was told, once it was."""

    def give(self, why: str) -> None:
        """Tell the worker that it is to end."""
        self.why = self.why or why

    def __call__(self, *_: object) -> None:
        """On SIGTERM: the process ends soon, with or without a checkpoint."""
        if self.why is None:
            self.give("its process was told to end")
            last = threading.Timer(self.grace_s, self.kill)
            last.daemon = True
            last.start()


def listen(grace_s: float = GRACE_S) -> None:
    """From now on SIGTERM is a notice. Only in the main thread of a process; a second call does nothing."""
    if heard() is None:
        signal.signal(signal.SIGTERM, Notice(grace_s))


def heard() -> Notice | None:
    """This process's notice, whether it was given or not; None where nobody listens. From any thread."""
    handler = signal.getsignal(signal.SIGTERM)
    return handler if isinstance(handler, Notice) else None


@contextmanager
def watched(
    notice: Notice, is_going: Callable[[], bool], *, every_s: float = LOOK_EVERY_S
) -> Iterator[None]:
    """Look from time to time whether the machine `is_going`, while this lasts. What cannot be seen now is
    looked for again."""
    ending = threading.Event()

    def look() -> None:
        while not ending.wait(every_s):
            with suppress(Exception):
                if is_going():
                    notice.give("its machine is about to go")
                    return

    thread = threading.Thread(target=look, name="notice", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
