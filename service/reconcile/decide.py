"""What to do with a job, given what is seen of its attempt. Pure; `attend` looks and acts.

Total over states × sightings: a test goes through all of them.
"""

from dataclasses import dataclass
from enum import StrEnum

from service.cluster.cluster import Sighting
from service.lifecycle import Result, State
from trainer.contract.attempts import Outcome, Started
from trainer.contract.kinds import Kind
from trainer.contract.reasons import RETRIED, Code, Reason, reason


class Act(StrEnum):
    """What the loop can do with a job. Each can be done again after a crash in the middle of it."""

    SUBMIT = "submit"
    """Write the order, give the attempt to the cluster, note that it took it."""
    NOTE_SUBMITTED = "note_submitted"
    """The cluster has it, and the note is missing: the service died in between."""
    RUN = "run"
    STOP = "stop"
    GIVE_UP = "give_up"
    """Close the attempt's outcome, so that a late commit is refused; then decide by what stands."""
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"
    """Queue it again, at the cost of one of its retries."""
    RETRY_FREE = "retry_free"
    """Queue it again at no cost: it was the cluster's doing."""
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


def decide(state: State, seen: Seen) -> Step | None:
    """The next step of a job, or None when there is nothing to do."""
    match state:
        case State.STARTING | State.RUNNING:
            return _settle(seen.outcome, seen) if seen.outcome else _watch(state, seen)
        case State.CANCELLING:
            return _cancel(seen.sighting)
        case _:
            return None  # queued jobs are moved by admission, ended ones by nobody


def _cancel(sighting: Sighting) -> Step | None:
    match sighting:
        case Sighting.UNKNOWN:
            return None  # it may still run
        case Sighting.PENDING | Sighting.RUNNING:
            return Step(Act.STOP)  # again and again: Ray forgets the stop of a pending submission
        case Sighting.MISSING | Sighting.ENDED:
            return Step(
                Act.END_CANCELLED, reason(Code.CANCELLED_BY_USER, "It was cancelled on request.")
            )


def _watch(state: State, seen: Seen) -> Step | None:
    match seen.sighting:
        case Sighting.UNKNOWN:
            return None  # a silent cluster changes no job
        case Sighting.PENDING | Sighting.RUNNING:
            if not seen.submitted:
                return Step(Act.NOTE_SUBMITTED)
            return Step(Act.RUN) if state is State.STARTING and seen.started else None
        case Sighting.ENDED:
            return Step(
                Act.GIVE_UP, reason(Code.ATTEMPT_LOST, "The attempt ended without an outcome.")
            )
        case Sighting.MISSING:
            if state is State.STARTING and not (seen.submitted or seen.tried or seen.started):
                return Step(Act.SUBMIT)
            # It may have run, and of a forgotten one a process may still live: never start it again.
            return Step(
                Act.GIVE_UP, reason(Code.CLUSTER_RESTARTED, "The cluster forgot the attempt.")
            )


def _settle(outcome: Outcome, seen: Seen) -> Step:
    """What follows from how the attempt ended."""
    if outcome.status == "succeeded" and _is_whole(outcome, seen.kind):
        return Step(Act.SUCCEED, result=Result(outcome.final, outcome.best, outcome.evaluation))
    why = outcome.reason or reason(Code.INTERNAL, "The attempt left no result and no reason.")
    if why.code is Code.CLUSTER_RESTARTED:
        return Step(Act.RETRY_FREE, _say(why, "It is started again, which costs no retry."))
    if why.code not in RETRIED:
        return Step(Act.FAIL, why)
    if seen.retries < seen.max_retries:
        left = f"It is tried again (retry {seen.retries + 1} of {seen.max_retries})."
        return Step(Act.RETRY, _say(why, left))
    return Step(Act.FAIL, _say(why, f"All {seen.max_retries} retries are spent."))


def _is_whole(outcome: Outcome, kind: Kind) -> bool:
    """Whether a success left what a job of its kind is for."""
    if kind == "evaluate":
        return outcome.evaluation is not None
    return outcome.final is not None and outcome.best is not None


def _say(why: Reason, more: str) -> Reason:
    return why.model_copy(update={"message": f"{why.message} {more}"})
