"""The sentences in which a job says where it is. Pure; the reconciler writes them with the state."""

from collections.abc import Sequence

from service.lifecycle import Job
from trainer.contract.attempts import Started
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.prediction import ResolvedPrediction
from trainer.contract.reasons import Code, Reason, reason
from trainer.contract.spec import ResolvedSpec
from trainer.contract.sweep import ResolvedSweep

SHOWN = 3
"""Damaged checkpoints that a sentence names; the attempt's log has all."""


def starting(job: Job) -> Reason:
    """`job` is queued, and its next attempt starts."""
    if isinstance(job.spec, ResolvedSweep):
        return reason(Code.STARTING, f"Attempt {job.attempt + 1} of its search starts.")
    return reason(Code.STARTING, f"Attempt {job.attempt + 1} starts with {_workers(job)}.")


def running(job: Job, started: Started | None) -> Reason:
    """Also from where, and which newer checkpoints could not be used."""
    if isinstance(job.spec, ResolvedSweep):
        return reason(Code.RUNNING, f"Attempt {job.attempt} of its search runs.")
    if started and started.resumed_step and isinstance(job.spec, ResolvedPrediction):
        goes = f"goes on after {started.resumed_step} images"
    elif started and started.resumed_step:
        goes = f"goes on from step {started.resumed_step} of attempt {started.resumed_attempt}"
    else:
        goes = "runs from the beginning"
    why = f", passing over {_listed(started.skipped)}" if started and started.skipped else ""
    return reason(Code.RUNNING, f"Attempt {job.attempt} {goes} with {_workers(job)}{why}.")


def completed(job: Job) -> Reason:
    match job.spec:
        case ResolvedEvaluation():
            return reason(Code.COMPLETED, "All images are counted.")
        case ResolvedPrediction():
            return reason(Code.COMPLETED, "All images are classified.")
        case ResolvedSweep():
            return reason(Code.COMPLETED, "All trials have ended.")
        case ResolvedSpec(iterations=steps):
            return reason(Code.COMPLETED, f"All {steps} steps are done.")


def paused(job: Job, why: Reason, step: int | None) -> Reason:
    """`step` of its newest checkpoint; None: it has none. Of a prediction every whole file stays."""
    if isinstance(job.spec, ResolvedPrediction):
        goes = "it will go on with the images that are left"
    else:
        goes = f"it will go on from step {step}" if step else "it will start from the beginning"
    return why.model_copy(update={"message": f"{why.message.removesuffix('.')}; {goes}."})


def waited(job: Job) -> Reason:
    """`job` was queued for longer than it may be."""
    last = f" Last: {job.reason.message}" if job.reason else ""
    limit = f"its max_pending of {job.spec.max_pending:g} s"
    return reason(Code.MAX_PENDING_EXCEEDED, f"It waited for longer than {limit}.{last}")


def grows(job: Job, to: int) -> Reason:
    return reason(Code.RESIZED, f"There is room for {to} workers in place of {_workers(job)}.")


def _listed(skipped: Sequence[str]) -> str:
    more = len(skipped) - SHOWN
    shown = "; ".join(skipped[:SHOWN])
    return f"{shown}; and {more} more" if more > 0 else shown


def _workers(job: Job) -> str:
    count = job.workers or job.spec.workers
    return f"{count} worker{'' if count == 1 else 's'}"
