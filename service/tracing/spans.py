"""Spans, and ids that follow from what they are of: whoever tells of the same thing names it alike, and
nothing has to be carried from one process to the other."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from service.lifecycle import Job

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, version 0."""
SAMPLED = 1


class Place(NamedTuple):
    """Where a span stands: 32 and 16 hexadecimal digits."""

    trace: str
    span: str


class Asked(NamedTuple):
    """The trace that a request came with."""

    place: Place
    sampled: bool


@dataclass(frozen=True)
class Span:
    """Something that took time. It is told when it is over."""

    name: str
    place: Place
    parent: str | None
    start: datetime
    end: datetime
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    links: tuple[Place, ...] = ()
    error: str | None = None
    """Why it failed, if it did."""
    kind: Literal["internal", "server"] = "internal"


def place(job_id: str, *of: object) -> Place:
    """Of a span in a job's trace; without `of`, its root."""
    trace = hashlib.sha256(f"residual {job_id}".encode()).hexdigest()[:32]
    said = " ".join([job_id, *map(str, of)])
    return Place(trace, hashlib.sha256(said.encode()).hexdigest()[:16])


def run(job: Job) -> Place:
    """From when a job was made, or last resumed, until it is at rest again."""
    return place(job.id, "run", job.in_line_since.isoformat())


def asked(header: str) -> Asked | None:
    """What a `traceparent` says; None for none, or one that means nothing."""
    found = TRACEPARENT.fullmatch(header.strip())
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Asked(Place(found[1], found[2]), bool(int(found[3], 16) & SAMPLED))
