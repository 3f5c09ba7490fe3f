"""How an attempt can end before its last step: what its processes raise, without torch or Ray.

`failures` makes reasons of them, `ray_failures` makes them of Ray's errors.
"""

from trainer.contract.reasons import Reason


class Diverged(Exception):
    """The loss or a weight is no number any more. `step` is the optimizer step that showed it."""

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


class WorkerLost(Exception):
    """A worker's process is gone, or does not answer. The message says which."""


class NodeLost(Exception):
    """A worker's machine is gone. The message says which."""


class Preempted(Exception):
    """A worker's machine was taken away for something else. The message says which."""


class HostFull(Exception):
    """A worker was ended because its machine had no memory left. The message says which."""
