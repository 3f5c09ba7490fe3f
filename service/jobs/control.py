"""What a request makes of a job: the states it goes through, or a refusal that says what can be done.
Pure; `Jobs` keeps what comes out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from service.errors import IllegalTransition, Invalid
from service.lifecycle import RESUMABLE, TERMINAL, Job, Progress, State, advance
from trainer.contract import resolve
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.kinds import Resolved
from trainer.contract.reasons import Code, reason
from trainer.contract.spec import ResolvedSpec

Path = tuple[Job, ...]
"""The job in each state that it goes through at once; it stays in the last. Empty: it stays as it is."""


def cancelled(job: Job, at: datetime) -> Path:
    """Raises IllegalTransition for a job that has ended."""
    if job.state is State.CANCELLING:
        return ()
    if job.state in TERMINAL:
        raise IllegalTransition(
            f"Job {job.id} has {_ended(job)}, so there is nothing to cancel; DELETE /jobs/{job.id} removes "
            "what it left."
        )
    why = reason(Code.CANCELLED_BY_USER, "It was cancelled on request.")
    asked = advance(job, State.CANCELLING, at=at, reason=why)
    # Of an attempt something may still run: then the reconciler ends the job.
    return (asked,) if job.attempt else (asked, advance(asked, State.CANCELLED, at=at, reason=why))


def paused(job: Job, at: datetime) -> Path:
    """Raises IllegalTransition for a job that has ended or is about to."""
    if job.state in (State.PAUSING, State.PAUSED):
        return ()
    if job.state in TERMINAL:
        raise IllegalTransition(
            f"Job {job.id} has {_ended(job)}, so it cannot be paused; POST /jobs/{job.id}/resume lets "
            "it go on."
        )
    if job.state is State.CANCELLING:
        raise IllegalTransition(
            f"Job {job.id} is being cancelled, so it cannot be paused; when it has ended, "
            f"POST /jobs/{job.id}/resume lets it go on from its last checkpoint."
        )
    why = reason(Code.PAUSED_BY_USER, "It was paused on request.")
    asked = advance(job, State.PAUSING, at=at, reason=why)
    # Nothing runs of a queued job; the outcome of an attempt before it says nothing of this pause.
    queued = job.state is State.QUEUED
    return (asked, advance(asked, State.PAUSED, at=at, reason=why)) if queued else (asked,)


def resumed(job: Job, at: datetime, *, epochs: int | None, reached: Callable[[], int]) -> Path:
    """In line again, `epochs` long in all if they are given. `reached` finds the step of the checkpoint
    it goes on from. Raises IllegalTransition, or Invalid for a length that is behind it."""
    again = job.state is State.QUEUED and job.queued_at is not None
    if again and epochs in (None, _epochs(job.spec)):
        return ()
    if job.state not in RESUMABLE:
        raise IllegalTransition(
            f"Job {job.id} is {job.state}, and not paused or ended; POST /jobs/{job.id}/pause it first, "
            "or let it run."
        )
    if epochs is not None:
        job = _lengthened(job, epochs, reached)
    elif job.state is State.SUCCEEDED:
        raise IllegalTransition(
            f"Job {job.id} has succeeded and there is nothing left to do; {_more(job.spec)}"
        )
    why = reason(Code.RESUMED_BY_USER, "It was resumed on request.")
    return (advance(job, State.QUEUED, at=at, reason=why),)


def changed(job: Job, change: Mapping[str, Any]) -> Job:
    """With other values of `priority`, `name` or `labels`. Raises IllegalTransition for the priority of
    a job that has ended."""
    if "priority" in change and job.state in TERMINAL:
        raise IllegalTransition(
            f"Job {job.id} has {_ended(job)}, and its priority means nothing any more; change its name "
            "or labels, or resume it first."
        )
    return replace(job, spec=job.spec.model_copy(update=change))


def check_deletable(job: Job) -> None:
    """Raises IllegalTransition for a job that has not ended."""
    if job.state not in TERMINAL:
        raise IllegalTransition(
            f"Job {job.id} is {job.state}, and only jobs that have ended can be deleted; "
            f"POST /jobs/{job.id}/cancel it first."
        )


def _lengthened(job: Job, epochs: int, reached: Callable[[], int]) -> Job:
    if isinstance(job.spec, ResolvedEvaluation):
        raise Invalid("An evaluation has no epochs; leave 'epochs' out.", field="epochs")
    spec = resolve.lengthened(job.spec, epochs)
    done = job.spec.iterations if job.state is State.SUCCEEDED else reached()
    if spec.iterations <= done:
        raise Invalid(
            f"Job {job.id} goes on from step {done}, and {epochs} epochs are {spec.iterations} steps; "
            f"give at least {done // spec.steps_per_epoch + 1}.",
            field="epochs",
        )
    return replace(job, spec=spec, progress=_out_of(job.progress, spec))


def _out_of(progress: Progress | None, spec: ResolvedSpec) -> Progress | None:
    """The same progress, of another length."""
    if progress is None:
        return None
    return replace(progress, epochs=spec.epochs, steps=spec.iterations, eta_s=None)


def _epochs(spec: Resolved) -> int | None:
    return spec.epochs if isinstance(spec, ResolvedSpec) else None


def _more(spec: Resolved) -> str:
    if isinstance(spec, ResolvedSpec):
        return f"to extend it, give 'epochs', more than its {spec.epochs}."
    return "to evaluate again, submit a new job."


def _ended(job: Job) -> str:
    return "been cancelled" if job.state is State.CANCELLED else str(job.state)
