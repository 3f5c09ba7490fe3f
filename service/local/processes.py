"""Whose process is whose: everything that `residual up` starts carries a mark in its environment.

Ray's processes fork, detach and outlive their parents; the mark is what they cannot lose.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path

import psutil

MARK = "RESIDUAL_INSTANCE"
"""Environment variable that the mark is in."""

KEEP_ENVIRONMENT = {"SPT_NOENV": "1"}
"""Ray renames its processes; without this the new name overwrites their environment."""


def mark_of(data_dir: Path) -> str:
    """The mark of all processes of one data directory."""
    return hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]


def marked(mark: str) -> list[psutil.Process]:
    """The living processes that carry `mark`, without this one."""
    found = []
    for process in psutil.process_iter():
        # Gone, a zombie, or another user's: none of them can be ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def end_marked(mark: str, *, patience_s: float = 10.0) -> list[psutil.Process]:
    """Kill all that carry `mark`, those born meanwhile too; whatever could not be killed.

    SIGKILL at once: stored objects are whole or absent whenever a process ends, and Ray answers
    SIGTERM by half a minute of draining, in which training would see its workers die one by one.
    """
    deadline = time.monotonic() + patience_s
    while (left := marked(mark)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)
    return left


def same_process(pid: int, created: float) -> psutil.Process | None:
    """The process `pid` if it is still the one that was created at `created` (seconds, epoch)."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None
