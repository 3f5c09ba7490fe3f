"""The reason that the service is told when an attempt has failed. `driver` asks.

Knows no Ray: `ray_failures` has made our own errors of Ray's.
"""

import errno
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist

from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code, Reason, reason
from trainer.data.load import DataCorrupt, DatasetUnavailable
from trainer.evaluation.version import Unfit
from trainer.training.endings import Diverged, HostFull, NodeLost, Preempted, WorkerLost

LOST_PEER = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Connection refused",
    "Broken pipe",
)
"""What gloo says, in a bare RuntimeError, when another worker's process is gone."""
NO_MEMORY = ("can't allocate memory",)
"""What torch says, in a bare RuntimeError, when the machine has none left."""
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""The machine's own disk, where a checkpoint is put together, is full or may not be written."""

Kinds = tuple[type[BaseException], ...]


class Failure(NamedTuple):
    """What a worker failed of."""

    rank: int | None
    """None: Ray Train itself failed."""
    error: BaseException


def classify(failures: Sequence[Failure]) -> Reason:
    """Why the attempt ended.

    When a worker fails others may fail of that, so the cause that says most is looked for first.
    """
    causes: tuple[tuple[Code, Kinds, tuple[str, ...]], ...] = (
        (Code.DIVERGED, (Diverged,), ()),
        (Code.DATA_CORRUPT, (DataCorrupt,), ()),
        (Code.DATASET_UNAVAILABLE, (DatasetUnavailable,), ()),
        (Code.MODEL_UNUSABLE, (Unfit,), ()),
        (Code.OUT_OF_MEMORY_GPU, (torch.OutOfMemoryError,), ()),
        (Code.OUT_OF_MEMORY_HOST, (HostFull, MemoryError), NO_MEMORY),
        (Code.STORAGE_UNWRITABLE, (StoreUnavailable,), ()),
        (Code.PREEMPTED, (Preempted,), ()),
        (Code.NODE_LOST, (NodeLost,), ()),
        (Code.WORKER_LOST, (WorkerLost,), ()),
        (Code.WORKER_LOST, (dist.DistNetworkError, dist.DistBackendError), LOST_PEER),
    )
    for code, kinds, words in causes:
        for failure in failures:
            error = failure.error
            if isinstance(error, kinds) or any(word in str(error) for word in words):
                return reason(code, _said(failure, code))
    for failure in failures:
        if isinstance(failure.error, OSError) and failure.error.errno in UNWRITABLE:
            return reason(Code.STORAGE_UNWRITABLE, _said(failure, Code.STORAGE_UNWRITABLE))
    if not failures:
        return reason(Code.INTERNAL, "it failed without an error")
    return reason(Code.INTERNAL, _said(failures[0], Code.INTERNAL))


OWN_WORDS = (Diverged, DatasetUnavailable, Unfit, HostFull, NodeLost, Preempted, WorkerLost)
"""Errors that need neither their name nor a worker's to be understood."""


def _said(failure: Failure, code: Code) -> str:
    """The error's first line, which fits in a reason, and whose it is; the rest is in the log."""
    error = failure.error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name, line = type(error).__name__, lines[0][:500] if lines else ""
    if isinstance(error, OWN_WORDS) and line:
        return line
    if code is Code.INTERNAL and line:
        line = f"{name}: {line}"
    who = "" if failure.rank is None else f"worker {failure.rank}: "
    return f"{who}{line or name}"
