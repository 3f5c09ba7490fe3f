"""When a training ends before its last step because it gets no better. `loop` asks after each validation."""

from dataclasses import dataclass, field

from pydantic import BaseModel
from torch import Tensor

from trainer.contract.reasons import Code, Reason, reason
from trainer.contract.spec import ResolvedSpec


class Standstill(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What early stopping depends on. The same on every worker; checkpoints keep it."""

    lowest: float | None = None
    """Value that the next one has to beat; None before the first."""
    since: int = 0
    """Validations in a row that did not."""
    ended: int | None = None
    """Steps in all of the run that ended here before its last one; None: none did."""


@dataclass
class Stopping:
    """Of a run as it goes on. Every worker has one, and all of them agree: tallies are over all workers."""

    spec: ResolvedSpec
    state: Standstill = field(default_factory=Standstill)

    def resume(self, state: Standstill) -> None:
        """Go on from `state`. A run that ended early and was made longer since counts anew."""
        longer = state.ended not in (None, self.spec.iterations)
        self.state = Standstill() if longer else state

    @property
    def stopped(self) -> bool:
        """Whether the run is over, at the step of this state."""
        return self.state.ended is not None

    def validated(self, sums: Tensor) -> bool:
        """Whether to end, after a validation; `sums` is the tally over all validation images. Waits for
        the device only if the job asked for early stopping."""
        asked, state = self.spec.early_stopping, self.state
        if asked is None:
            return False
        loss, first, five, images = sums.tolist()
        values = {"loss": loss, "top1_error": 100 * first, "top5_error": 100 * five}
        value = values[asked.metric] / images
        if state.lowest is None or value < state.lowest - asked.min_change:
            self.state = Standstill(lowest=value)
            return False
        since = state.since + 1
        ended = self.spec.iterations if since >= asked.patience else None
        self.state = Standstill(lowest=state.lowest, since=since, ended=ended)
        return ended is not None

    def why(self, step: int) -> Reason | None:
        """Why the run was over after `step`, in words; None: that was its last step anyhow."""
        asked, state = self.spec.early_stopping, self.state
        if not self.stopped or step >= self.spec.iterations or not asked or state.lowest is None:
            return None
        margin = f" by more than {asked.min_change:g}" if asked.min_change else ""
        return reason(
            Code.COMPLETED,
            f"It stopped early, at step {step} of {self.spec.iterations}: {asked.metric} came to "
            f"{state.lowest:.4g}, and was not lower{margin} in {state.since} validations in a row.",
        )
