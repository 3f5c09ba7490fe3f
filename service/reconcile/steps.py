"""What is seen of a job's attempt, and what can be done about it: the words of `decide`."""

from dataclasses import dataclass
from enum import StrEnum

from service.cluster.cluster import Sighting
from service.lifecycle import Result
from trainer.contract.attempts import Outcome, Started
from trainer.contract.kinds import Kind
from trainer.contract.reasons import Reason


class Act(StrEnum):
    """What the loop can do with a job. Each can be done again after a crash in the middle of it."""

    SUBMIT = "submit"
    """Write the order, give the attempt to the cluster, note that it took it."""
    NOTE_SUBMITTED = "note_submitted"
    """The cluster has it, and the note is missing: the service died in between."""
    RUN = "run"
    HALT = "halt"
    """Ask the attempt to keep a checkpoint and end."""
    STOP = "stop"
    """Have the cluster kill the attempt's processes."""
    GIVE_UP = "give_up"
    """Close the attempt's outcome, so that a late commit is refused; then decide by what stands."""
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"
    """Queue it again, at the cost of one of its retries."""
    RETRY_FREE = "retry_free"
    """Queue it again at no cost: it was the cluster's doing."""
    END_PAUSED = "end_paused"
    END_CANCELLED = "end_cancelled"
    """Close the attempt's outcome and end the job."""


@dataclass(frozen=True)
class Step:
    act: Act
    reason: Reason | None = None
    result: Result | None = None
    """Of SUCCEED."""


@dataclass(frozen=True)
class Seen:
    """What is seen of a job's newest attempt. The sighting is taken first, then the outcome: an
    attempt commits its outcome before it ends, so one that had ended has it or never will."""

    sighting: Sighting
    submitted: bool
    """Whether it is noted that the cluster took the attempt."""
    tried: bool
    """Whether another program began to submit the attempt, and did not note how that went."""
    started: Started | None
    outcome: Outcome | None
    retries: int
    """Spent so far."""
    max_retries: int
    kind: Kind
    """Of the job: it says what a success must have left."""
    attempted: bool = True
    """Whether there is an attempt that may run. Not before the first one, and not when the newest one
    is of the time before the job was resumed."""
    halted: bool = False
    """Whether this program has asked the attempt to end."""
    silent: str | None = None
    """Whose signs of life have stopped, in a sentence; None: nobody's."""
    placed: bool = False
    """Whether the first worker has given a sign of life."""
    fruitless: bool = False
    """Whether neither this attempt nor those just before it came to a checkpoint. Known only of an
    attempt that ended for a reason that costs nothing."""
    in_state_s: float = 0.0
    """Seconds since the job came into its state."""
    ran_s: float = 0.0
    """Seconds that it ran, all attempts together."""
    max_runtime: float | None = None
    """Seconds that it may run."""

    @property
    def overdue_s(self) -> float | None:
        """Seconds that it ran beyond what it may; None while it has not."""
        if self.max_runtime is None or self.ran_s < self.max_runtime:
            return None
        return self.ran_s - self.max_runtime
