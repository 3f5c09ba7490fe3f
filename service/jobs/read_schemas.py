"""What the routes of `reading` give, and what they can be asked."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.http.example import example
from service.jobs import examples
from service.jobs.rows import Event
from service.lifecycle import State
from trainer.contract.attempts import MetricPoint, Split
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.reasons import Reason

UrlOf = Callable[[Checkpoint, str], str | None]
"""Where a file of a checkpoint is open to anyone who has the URL; None: nowhere."""


class PointsWanted(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    since_step: int = Field(default=0, ge=0, le=2**53)
    """Only points of this optimizer step and later ones."""
    split: Split | None = None
    """Only training or only validation points."""


class LinesWanted(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    attempt: int | None = Field(default=None, ge=1)
    """Only this attempt's lines."""
    rank: str | None = Field(default=None, pattern=r"^(\d{1,6}|driver)$")
    """Only this worker's lines, or `driver`'s."""
    level: Literal["debug", "info", "warning", "error"] | None = None
    """Only lines of this level and more severe ones."""
    q: str | None = Field(default=None, max_length=200)
    """Only lines with this in their message, in whatever case."""
    follow: bool = False
    """Go on as lines are written, until the job ends."""


class PointsOut(BaseModel):
    """A job's measurements: each (step, split) once over all attempts, by step."""

    model_config = ConfigDict(json_schema_extra=example(lambda: PointsOut(points=[examples.POINT])))

    points: list[MetricPoint]


class EventOut(BaseModel, use_attribute_docstrings=True):
    """One change of a job's state."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    time: datetime
    from_: State | None = Field(alias="from")
    """null: the job was made."""
    to: State
    reason: Reason | None
    """Why it is in this state, as was said then; null only in events of an earlier version."""
    attempt: int


class EventsOut(BaseModel):
    """Every change of a job's state, oldest first."""

    model_config = ConfigDict(json_schema_extra=example(lambda: EventsOut.of(examples.events())))

    items: list[EventOut]
    next_cursor: str | None = None

    @classmethod
    def of(cls, events: list[Event]) -> "EventsOut":
        return cls(items=[_event(event) for event in events])


class FileOut(BaseModel, use_attribute_docstrings=True):
    name: str
    size: int
    """Bytes."""
    sha256: str
    url: str
    """Where to fetch it: relative to this service, with its key; or absolute, of the object store, which
    needs no key and opens this one file for 15 minutes. Keep that one secret."""


class CheckpointOut(BaseModel, use_attribute_docstrings=True):
    step: int
    epoch: int
    attempt: int
    metrics: MetricPoint | None
    """On the validation images; null between two evaluations."""
    files: list[FileOut]

    @classmethod
    def of(cls, found: Checkpoint, url_of: UrlOf) -> "CheckpointOut":
        meta = found.meta
        where = f"/jobs/{meta.job_id}/checkpoints/{meta.step}/files"
        return cls(
            step=meta.step,
            epoch=meta.epoch,
            attempt=meta.attempt,
            metrics=meta.metrics,
            files=[
                FileOut(
                    name=entry.name,
                    size=entry.size,
                    sha256=entry.sha256,
                    url=url_of(found, entry.name) or f"{where}/{entry.name}",
                )
                for entry in found.manifest.files
            ],
        )


class CheckpointsOut(BaseModel):
    """A job's checkpoints, lowest step first."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: CheckpointsOut.of([examples.checkpoint()], lambda _, __: None)
        )
    )

    items: list[CheckpointOut]
    next_cursor: str | None = None

    @classmethod
    def of(cls, found: list[Checkpoint], url_of: UrlOf) -> "CheckpointsOut":
        return cls(items=[CheckpointOut.of(one, url_of) for one in found])


class End(BaseModel, use_attribute_docstrings=True):
    """The last event of a stream."""

    state: State | None
    """null: the job was deleted."""


def _event(event: Event) -> EventOut:
    return EventOut(
        time=event.at,
        from_=event.from_state,
        to=event.to_state,
        reason=event.reason,
        attempt=event.attempt,
    )
