"""The reason that the service is told when an attempt has failed. `driver` asks.

Knows no Ray: `ray_failures` has made our own errors of Ray's. Loads no torch: the driver has none.
"""

import errno
from collections.abc import Sequence
from typing import NamedTuple

from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code, Explained, Reason, reason

TORCHS = {
    "torch.OutOfMemoryError": Code.OUT_OF_MEMORY_GPU,
    "torch.distributed.DistNetworkError": Code.WORKER_LOST,
    "torch.distributed.DistBackendError": Code.WORKER_LOST,
}
"""torch's own errors, by their names."""
WORDS = {
    "can't allocate memory": Code.OUT_OF_MEMORY_HOST,
    "Connection closed by peer": Code.WORKER_LOST,
    "Connection reset by peer": Code.WORKER_LOST,
    "Connection refused": Code.WORKER_LOST,
    "Broken pipe": Code.WORKER_LOST,
}
"""What torch says in a bare RuntimeError: when the machine has no memory left, and (gloo) when another
worker's process is gone."""
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""The machine's own disk, where a checkpoint is put together, is full or may not be written."""

ORDER = (
    Code.DIVERGED,
    Code.DATA_CORRUPT,
    Code.DATASET_UNAVAILABLE,
    Code.MODEL_UNUSABLE,
    Code.OUT_OF_MEMORY_GPU,
    Code.OUT_OF_MEMORY_HOST,
    Code.STORAGE_UNWRITABLE,
    Code.PREEMPTED,
    Code.NODE_LOST,
    Code.WORKER_LOST,
    Code.INTERNAL,
)
"""The cause that says most first: when a worker fails others may fail of that."""


class Failure(NamedTuple):
    """What a worker failed of."""

    rank: int | None
    """None: Ray Train itself failed."""
    error: BaseException


def classify(failures: Sequence[Failure]) -> Reason:
    """Why the attempt ended. Of the same cause, who knows of it says more than who noticed it."""
    if not failures:
        return reason(Code.INTERNAL, "it failed without an error")
    told = min(
        failures,
        key=lambda each: (ORDER.index(code_of(each.error)), not isinstance(each.error, Explained)),
    )
    code = code_of(told.error)
    return reason(code, _said(told, code))


def code_of(error: BaseException) -> Code:
    """What an error is a sign of."""
    match error:
        case Explained():
            return error.code
        case StoreUnavailable():
            return Code.STORAGE_UNWRITABLE
        case MemoryError():
            return Code.OUT_OF_MEMORY_HOST
        case OSError() if error.errno in UNWRITABLE:
            return Code.STORAGE_UNWRITABLE
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    known = [TORCHS[name] for name in names if name in TORCHS]
    known += [code for words, code in WORDS.items() if words in str(error)]
    return known[0] if known else Code.INTERNAL


def _said(failure: Failure, code: Code) -> str:
    """The error's first line, which fits in a reason, and whose it is; the rest is in the log."""
    error = failure.error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name, line = type(error).__name__, lines[0][:500] if lines else ""
    if isinstance(error, Explained) and line:
        return line
    if code is Code.INTERNAL and line:
        line = f"{name}: {line}"
    who = "" if failure.rank is None else f"worker {failure.rank}: "
    return f"{who}{line or name}"
