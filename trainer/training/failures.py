"""What ends an attempt before its time, and the reason that the service is told.

Knows no Ray: the driver says which of Ray's errors mean a lost worker or too little memory.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist

from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Code, Reason, reason
from trainer.data.load import DatasetUnavailable
from trainer.evaluation.version import Unfit


class Diverged(Exception):
    """The loss or a weight is no number any more. `step` is the optimizer step that showed it."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step

    def __str__(self) -> str:
        return f"the loss or the weights were not finite any more at step {self.step}"


class Fenced(Exception):
    """The attempt was closed by somebody else: nothing it still does counts."""


LOST_PEER = ("Connection closed by peer", "Connection reset by peer", "Connection refused")
"""What gloo says, in a bare RuntimeError, when another worker's process is gone."""
NO_MEMORY = "can't allocate memory"
"""What torch says, in a bare RuntimeError, when the machine has none left."""

Kinds = tuple[type[BaseException], ...]


def classify(errors: Sequence[BaseException], *, lost: Kinds, out_of_memory: Kinds) -> Reason:
    """Why the workers' `errors` ended the attempt. `lost`, `out_of_memory`: Ray's errors for that.

    When a worker fails others may fail of that, so the cause that says most is looked for first.
    """
    causes: tuple[tuple[Code, Kinds, tuple[str, ...]], ...] = (
        (Code.DIVERGED, (Diverged,), ()),
        (Code.DATASET_UNAVAILABLE, (DatasetUnavailable,), ()),
        (Code.MODEL_UNUSABLE, (Unfit,), ()),
        (Code.OUT_OF_MEMORY_GPU, (torch.OutOfMemoryError,), ()),
        (Code.OUT_OF_MEMORY_HOST, (*out_of_memory, MemoryError), (NO_MEMORY,)),
        (Code.STORAGE_UNWRITABLE, (StoreUnavailable,), ()),
        (Code.WORKER_LOST, (*lost, dist.DistNetworkError), LOST_PEER),
    )
    for code, kinds, words in causes:
        for error in errors:
            if isinstance(error, kinds) or any(word in str(error) for word in words):
                return reason(code, _first_line(error) or type(error).__name__)
    if not errors:
        return reason(Code.INTERNAL, "it failed without an error")
    name, said = type(errors[0]).__name__, _first_line(errors[0])
    return reason(Code.INTERNAL, f"{name}: {said}" if said else name)


def _first_line(error: BaseException) -> str:
    """What fits in a reason; the rest is in the log."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:500] if lines else ""
