"""What a change of a job's state tells: the spans that ended with it. Pure; `tracer` sends them.

job ─┬─ POST /jobs
     └─ run ─┬─ queued
             └─ attempt ─┬─ submit to Ray
                         ├─ place workers
                         ├─ first step
                         ├─ checkpoint …
                         └─ settle
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from service.lifecycle import HOLDING, TERMINAL, Job, State
from service.tracing.spans import Place, Span, place, run

AT_REST = TERMINAL | {State.PAUSED}


@dataclass(frozen=True)
class Kept:
    """A checkpoint."""

    step: int
    due_at: datetime
    written_at: datetime


@dataclass(frozen=True)
class Facts:
    """What is known of an attempt, by what it and the service wrote down."""

    began_at: datetime
    """When it was admitted."""
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    """When its first worker began."""
    first_step_at: datetime | None = None
    kept: tuple[Kept, ...] = ()
    outcome_at: datetime | None = None


def told(was: Job | None, now: Job, facts: Callable[[], Facts | None]) -> Iterator[Span]:
    """The spans that end with a change of state. `facts` reads those of the attempt that ended."""
    if was is None:
        yield root(now, now.created_at)
        return
    if was.state is State.QUEUED:
        yield queued(was, now)
    if was.state in HOLDING and now.state not in HOLDING and (found := facts()):
        yield from attempt(was, now, found)
    if now.state in AT_REST:
        failed = now.state is State.FAILED
        yield Span(
            name="run",
            place=run(was),
            parent=place(now.id).span,
            start=was.in_line_since,
            end=now.changed_at,
            attributes=_of(now) | {"residual.state": now.state.value},
            error=_why(now) if failed else None,
        )


def root(job: Job, at: datetime, asked_by: Place | None = None) -> Span:
    """The job itself: all else is below it. `asked_by`: the request it was made by."""
    attributes = {"residual.kind": job.spec.kind, "residual.name": job.spec.name or ""}
    links = (asked_by,) if asked_by else ()
    return Span("job", place(job.id), None, at, at, _of(job) | attributes, links)


def queued(was: Job, now: Job) -> Span:
    waited_for = was.reason.code.value if was.reason else ""
    attributes = _of(now) | {"residual.waited_for": waited_for, "residual.then": now.state.value}
    where = place(now.id, "queued", was.changed_at.isoformat())
    return Span("queued", where, run(was).span, was.changed_at, now.changed_at, attributes)


def attempt(was: Job, now: Job, facts: Facts) -> Iterator[Span]:
    """An attempt that ended as `was` became `now`, and its phases as far as it came."""
    whole = place(was.id, "attempt", was.attempt)
    failed = now.state is State.FAILED or (now.state is State.QUEUED and now.retries > was.retries)
    yield Span(
        name="attempt",
        place=whole,
        parent=run(was).span,
        start=facts.began_at,
        end=now.changed_at,
        attributes=_of(was) | {"residual.reason": now.reason.code.value if now.reason else ""},
        error=_why(now) if failed else None,
    )
    phases = [
        ("submit to Ray", facts.began_at, facts.submitted_at),
        ("place workers", facts.submitted_at or facts.began_at, facts.started_at),
        ("first step", facts.started_at, facts.first_step_at),
        *((f"checkpoint {one.step}", one.due_at, one.written_at) for one in facts.kept),
        ("settle", facts.outcome_at, now.changed_at),
    ]
    for name, start, end in phases:
        if start and end:
            where = place(was.id, "attempt", was.attempt, name)
            # Workers' clocks may be behind: no span ends before it starts.
            yield Span(name, where, whole.span, min(start, end), end, _of(was))


def _of(job: Job) -> dict[str, str | int]:
    return {
        "residual.job": job.id,
        "residual.project": job.project,
        "residual.attempt": job.attempt,
    }


def _why(job: Job) -> str:
    return job.reason.message if job.reason else job.state.value
