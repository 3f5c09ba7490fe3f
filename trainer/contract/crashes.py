"""Places at which a test can kill the program, to see that nothing is lost or doubled there.

`RESIDUAL_CRASH_AT=after_insert` kills at every pass; `after_insert@/a/file` only at the first one, and
leaves the file behind. Unset, as everywhere but in tests, a point costs one look at the environment.
"""

import os
import signal
from enum import StrEnum

SETTING = "RESIDUAL_CRASH_AT"


class Point(StrEnum):
    """Between two steps that no transaction holds together."""

    # In the service.
    AFTER_INSERT = "after_insert"
    """The job is kept, and its client has no answer."""
    AFTER_STARTING = "after_starting"
    """The attempt is numbered, and has no order."""
    AFTER_ORDER = "after_order"
    """The attempt has its order, and the cluster does not know of it."""
    AFTER_SUBMIT = "after_submit"
    """The cluster has the attempt, and that is not noted."""
    AFTER_HALT = "after_halt"
    """The attempt is asked to end."""
    AFTER_CLOSE = "after_close"
    """The attempt is given up, and the job's state does not say so."""
    AFTER_REGISTER = "after_register"
    """The model is registered, and the job has not succeeded."""
    AFTER_STATE = "after_state"
    """The state has changed, and what follows from it is not done."""
    AFTER_DELETE = "after_delete"
    """The job is gone, and its objects are not."""
    # In an attempt.
    AFTER_STARTED = "after_started"
    """The attempt has announced itself, and has done nothing."""
    AFTER_FILES = "after_files"
    """A checkpoint's files are written, and its manifest is not."""
    AFTER_MANIFEST = "after_manifest"
    """The checkpoint is committed, and nobody was told."""
    BEFORE_OUTCOME = "before_outcome"
    """The work is done, and nothing says so."""
    AFTER_OUTCOME = "after_outcome"
    """The attempt has ended, and its process has not."""


def point(here: Point) -> None:
    """Die here by SIGKILL, if a test wants that."""
    wanted = os.environ.get(SETTING)
    if not wanted:
        return
    name, _, once = wanted.partition("@")
    if name == here and (not once or _first(once)):
        os.kill(os.getpid(), signal.SIGKILL)


def _first(marker: str) -> bool:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
