"""What happened in an experiment, as a file of JSON lines: the harness writes it, and `checker` judges it."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter

from service.lifecycle import State


class Struck(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A fault."""

    what: Literal["struck"] = "struck"
    at: float
    """Seconds since the epoch."""
    fault: str
    pid: int


class Submitted(BaseModel, frozen=True, use_attribute_docstrings=True):
    """The service has answered that it took a job."""

    what: Literal["submitted"] = "submitted"
    at: float
    key: str
    """Of idempotency; also the job's name."""
    job: str
    spec: str
    """Which of the experiment's kinds of job it is."""


class Seen(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A job has changed, as its clients see it."""

    what: Literal["seen"] = "seen"
    at: float
    job: str
    state: State
    attempt: int
    reason: str | None
    """Its code."""


class Reference(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an undisturbed job of a kind came to."""

    what: Literal["reference"] = "reference"
    spec: str
    steps: int
    sha256: str
    """Of its final weights, as they were downloaded."""


class Move(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One of a job's events."""

    from_state: State | None
    to_state: State
    attempt: int


class Ended(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What is known of a job when all is over."""

    what: Literal["ended"] = "ended"
    job: str
    state: State
    moves: tuple[Move, ...]
    train_steps: tuple[int, ...]
    """Of the points that its clients are shown, in their order."""
    twice: tuple[int, ...] = ()
    """Steps that one attempt wrote down more than once, in the object store."""
    succeeded: tuple[int, ...]
    """Attempts whose outcome in the object store is a success."""
    sha256: str | None
    """Of its final weights, as they were downloaded; None: there are none."""


class Left(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What is there when all is over."""

    what: Literal["left"] = "left"
    jobs: dict[str, str]
    """Every job that the service lists: id → name."""
    processes: tuple[str, ...]
    """Command lines of those that still train."""
    cpus: float
    cpus_free: float


Record = Annotated[
    Struck | Submitted | Seen | Reference | Ended | Left, Field(discriminator="what")
]
RECORD: TypeAdapter[Record] = TypeAdapter(Record)


@dataclass
class History:
    """The growing file. Safe for several threads at once."""

    path: Path
    records: list[Record] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *records: Record) -> None:
        with self._lock, self.path.open("a") as file:
            self.records.extend(records)
            file.writelines(f"{record.model_dump_json()}\n" for record in records)

    def struck(self) -> list[Struck]:
        with self._lock:
            return [record for record in self.records if isinstance(record, Struck)]


def read(lines: Iterable[str]) -> list[Record]:
    """The records of a history's lines."""
    return [RECORD.validate_json(line) for line in lines]
