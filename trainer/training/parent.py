"""A process that ends when the one that started it does: a driver, and each worker."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
"""Linux: the signal that a process gets at its parent's death (prctl(2))."""


def die_with_parent(parent: int, *, every_s: float = 0.5) -> None:
    """From now on this process ends, the hard way, soon after its parent `parent` did."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def die_frozen_with_parent() -> None:
    """The same from a process that is suspended at that time, where the system can do it: on Linux.

    Holds while the thread lives that calls it. Not for a child of a thread that may end before its
    process: that counts as the parent's death.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
