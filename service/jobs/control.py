"""What a request makes of a job: the states it goes through, or a refusal that says what can be done.
Pure; `Jobs` keeps what comes out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from service.errors import IllegalTransition, Invalid
from service.lifecycle import RESUMABLE, TERMINAL, Job, Progress, State, advance
from trainer.contract import resolve
from trainer.contract.kinds import Resolved
from trainer.contract.prediction import ResolvedPrediction
from trainer.contract.reasons import Code, Reason, reason
from trainer.contract.space import Point, canonical
from trainer.contract.spec import ResolvedSpec
from trainer.contract.sweep import ResolvedSweep

CANCELLED = reason(Code.CANCELLED_BY_USER, "It was cancelled on request.")
PAUSED = reason(Code.PAUSED_BY_USER, "It was paused on request.")
RESUMED = reason(Code.RESUMED_BY_USER, "It was resumed on request.")

Path = tuple[Job, ...]
"""The job in each state that it goes through at once; it stays in the last. Empty: it stays as it is."""


@dataclass(frozen=True)
class More:
    """What a job is to do beyond what it was asked for."""

    epochs: int | None = None
    """Of a training: its length in all."""
    trials: int | None = None
    """Of a sweep whose points are drawn or chosen: how many in all."""
    points: tuple[Point, ...] = ()
    """Of a sweep of given points: further ones."""

    def __bool__(self) -> bool:
        return self != NO_MORE


NO_MORE = More()


def cancelled(job: Job, at: datetime, *, why: Reason = CANCELLED) -> Path:
    """Raises IllegalTransition for a job that has ended."""
    if job.state is State.CANCELLING:
        return ()
    if job.state in TERMINAL:
        raise IllegalTransition(
            f"Job {job.id} has {_ended(job)}, so there is nothing to cancel; DELETE /jobs/{job.id} removes "
            "what it left."
        )
    asked = advance(job, State.CANCELLING, at=at, reason=why)
    # Of an attempt something may still run: then the reconciler ends the job.
    return (asked,) if job.attempt else (asked, advance(asked, State.CANCELLED, at=at, reason=why))


def paused(job: Job, at: datetime, *, why: Reason = PAUSED) -> Path:
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
    asked = advance(job, State.PAUSING, at=at, reason=why)
    # Nothing runs of a queued job; the outcome of an attempt before it says nothing of this pause.
    queued = job.state is State.QUEUED
    return (asked, advance(asked, State.PAUSED, at=at, reason=why)) if queued else (asked,)


def resumed(
    job: Job,
    at: datetime,
    more: More = NO_MORE,
    *,
    reached: Callable[[], int],
    why: Reason = RESUMED,
) -> Path:
    """In line again, with `more` to do if that is given. `reached` finds the step of the checkpoint it goes
    on from. Raises IllegalTransition, or Invalid for a length that is behind it."""
    again = job.state is State.QUEUED and job.queued_at is not None
    if again and _has(job.spec, more):
        return ()
    if job.state not in RESUMABLE:
        raise IllegalTransition(
            f"Job {job.id} is {job.state}, and not paused or ended; POST /jobs/{job.id}/pause it first, "
            "or let it run."
        )
    if more:
        job = _with(job, more, reached)
    elif job.state is State.SUCCEEDED:
        raise IllegalTransition(
            f"Job {job.id} has succeeded and there is nothing left to do; {_more(job.spec)}"
        )
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


def check_deletable(job: Job, live_trials: Sequence[str]) -> None:
    """Raises IllegalTransition for a job that has not ended, or a sweep of which a trial has not."""
    if job.state not in TERMINAL:
        raise IllegalTransition(
            f"Job {job.id} is {job.state}, and only jobs that have ended can be deleted; "
            f"POST /jobs/{job.id}/cancel it first."
        )
    if live_trials:
        raise IllegalTransition(
            f"Trial {live_trials[0]} of sweep {job.id} has not ended; cancel it first, with POST "
            f"/jobs/{live_trials[0]}/cancel."
        )


def _with(job: Job, more: More, reached: Callable[[], int]) -> Job:
    if more.epochs is not None:
        if not isinstance(job.spec, ResolvedSpec):
            raise Invalid("Only a training has epochs; leave 'epochs' out.", field="epochs")
        return _lengthened(job, job.spec, more.epochs, reached)
    if not isinstance(job.spec, ResolvedSweep):
        field = "trials" if more.trials is not None else "points"
        raise Invalid(f"Only a sweep has trials; leave '{field}' out.", field=field)
    return replace(job, spec=_widened(job.spec, more))


def _widened(spec: ResolvedSweep, more: More) -> ResolvedSweep:
    """With more trials: those that it has stay as they are."""
    if more.points:
        if spec.points is None:
            raise Invalid(
                "Its points are not given but searched; say how many: 'trials'.", field="points"
            )
        points = (*spec.points, *(point for point in more.points if point not in spec.points))
        return spec.model_copy(update={"points": points, "trials": len(points)})
    if spec.points is not None:
        raise Invalid("Its points are given; say which more: 'points'.", field="trials")
    if more.trials is not None and more.trials <= spec.trials:
        raise Invalid(f"It has {spec.trials} trials; give more.", field="trials")
    return spec.model_copy(update={"trials": more.trials})


def _lengthened(job: Job, was: ResolvedSpec, epochs: int, reached: Callable[[], int]) -> Job:
    spec = resolve.lengthened(was, epochs)
    done = was.iterations if job.state is State.SUCCEEDED else reached()
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


def _has(spec: Resolved, more: More) -> bool:
    """Whether it is to do as much already."""
    if isinstance(spec, ResolvedSweep) and not more.epochs:
        points = set(map(canonical, spec.points or ()))
        return more.trials in (None, spec.trials) and points >= set(map(canonical, more.points))
    return not more or (isinstance(spec, ResolvedSpec) and more == More(epochs=spec.epochs))


def _more(spec: Resolved) -> str:
    if isinstance(spec, ResolvedSpec):
        return f"to extend it, give 'epochs', more than its {spec.epochs}."
    if isinstance(spec, ResolvedSweep):
        return "to go on, give 'trials' or 'points'."
    if isinstance(spec, ResolvedPrediction):
        return "to classify again, submit a new job."
    return "to evaluate again, submit a new job."


def _ended(job: Job) -> str:
    return "been cancelled" if job.state is State.CANCELLED else str(job.state)
