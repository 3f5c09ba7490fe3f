"""How an attempt can end: what its workers return or raise, without torch or Ray.

`failures` makes reasons of what they raise, `ray_failures` makes it of Ray's errors.
"""

from pydantic import BaseModel

from trainer.contract.attempts import Best, MetricPoint
from trainer.contract.evaluation import Evaluation
from trainer.contract.reasons import Code, Explained, Reason


class Ended(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an attempt came to. Only the first worker's says more than that it ended."""

    final: MetricPoint | None
    """The newest on the validation images."""
    best: Best | None
    evaluation: Evaluation | None = None
    halted: Reason | None = None
    """Why it ended before its last step, if it did: because the service wished it."""
    stopped: Reason | None = None
    """Why there was no need for the steps that were left: early stopping."""


class Diverged(Explained):
    """The loss or a weight is no number any more. `step` is the optimizer step that showed it."""

    code = Code.DIVERGED

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step

    def __str__(self) -> str:
        return f"the loss or the weights were not finite any more at step {self.step}"


class Fenced(Exception):
    """The attempt was closed by somebody else: nothing it still does counts."""


class Halted(Exception):
    """The service asked for the end of what has no checkpoints."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason.message


class WorkerLost(Explained):
    """A worker's process is gone, or does not answer. The message says which."""

    code = Code.WORKER_LOST


class NodeLost(Explained):
    """A worker's machine is gone. The message says which."""

    code = Code.NODE_LOST


class Preempted(Explained):
    """A worker's machine was taken away for something else. The message says which."""

    code = Code.PREEMPTED


class HostFull(Explained):
    """A worker was ended because its machine had no memory left. The message says which."""

    code = Code.OUT_OF_MEMORY_HOST
