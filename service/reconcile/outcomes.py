"""What follows for a job from how its attempt ended. Pure; `decide` asks."""

from datetime import timedelta

from service.lifecycle import Result
from service.reconcile.steps import Act, Seen, Step
from trainer.contract.attempts import Outcome
from trainer.contract.kinds import Kind
from trainer.contract.reasons import FREE, RETRIED, Code, Reason, reason

MOST_BACKOFF = timedelta(seconds=300)
"""The longest that a retry waits: by then a cluster that mends itself has done so."""


def settle(outcome: Outcome, seen: Seen) -> Step:
    """Of a job that nobody asked to end."""
    if succeeded := _success(outcome, seen.kind):
        return succeeded
    why = outcome.reason or reason(Code.INTERNAL, "The attempt left no result and no reason.")
    if why.code is Code.MAX_RUNTIME_EXCEEDED or not _is_ours(outcome, why):
        return Step(Act.FAIL, why)
    if seen.overdue_s is not None:
        return Step(Act.FAIL, overdue(seen))
    if (why.code in FREE or outcome.status == "halted") and not seen.fruitless:
        return Step(Act.RETRY_FREE, _say(why, "It is started again, which costs no retry."))
    if seen.retries < seen.max_retries:
        left = f"It is tried again (retry {seen.retries + 1} of {seen.max_retries})."
        return Step(Act.RETRY, _say(why, left))
    return Step(Act.FAIL, _say(why, f"All {seen.max_retries} retries are spent."))


def settle_paused(outcome: Outcome, seen: Seen) -> Step:
    """Of a job that is being paused. It may have come to its end, good or bad, just before."""
    if succeeded := _success(outcome, seen.kind):
        return succeeded
    why = outcome.reason
    if outcome.status == "failed" and why and not _is_ours(outcome, why):
        return Step(Act.FAIL, why)
    return Step(Act.END_PAUSED, reason(Code.PAUSED_BY_USER, "It was paused on request."))


def overdue(seen: Seen) -> Reason:
    """Why a job ends that ran for longer than it may."""
    limit = f"its max_runtime of {seen.max_runtime:g} s"
    return reason(Code.MAX_RUNTIME_EXCEEDED, f"It ran for longer than {limit}.")


def backoff(retry: int) -> timedelta:
    """How long the retry of a number, from 1, waits: the first does not, for most troubles are over at
    once; then 2, 4, 8 … s."""
    if retry <= 1:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(retry - 1, 20)), MOST_BACKOFF)


def _success(outcome: Outcome, kind: Kind) -> Step | None:
    """Whether it left what a job of its kind is for."""
    left: dict[Kind, tuple[object, ...]] = {
        "train": (outcome.final, outcome.best),
        "evaluate": (outcome.evaluation,),
        "predict": (outcome.predictions,),
        "sweep": (),  # its trials have what they came to
    }
    if outcome.status != "succeeded" or None in left[kind]:
        return None
    result = Result(
        outcome.final, outcome.best, outcome.evaluation, predictions=outcome.predictions
    )
    return Step(Act.SUCCEED, outcome.reason, result=result)


def _is_ours(outcome: Outcome, why: Reason) -> bool:
    """Whether the platform ended it, so that another attempt may do better."""
    return outcome.status == "halted" or why.code in FREE | RETRIED


def _say(why: Reason, more: str) -> Reason:
    return why.model_copy(update={"message": f"{why.message} {more}"})
