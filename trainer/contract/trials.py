"""What the search of a sweep and the service tell each other, as small objects in the store.

proposal.json, verdict.json (search → service) and standing.json (service → search), a set for each trial.
A search that dies says the same again: trial `n` of a sweep is proposed once, whoever proposes it.
"""

from datetime import datetime

from pydantic import BaseModel, JsonValue

from trainer.contract import layout
from trainer.contract.attempts import read
from trainer.contract.names import Name
from trainer.contract.objects.store import AlreadyExists, ObjectStore
from trainer.contract.space import Path
from trainer.contract.sweep import Metric


class Proposal(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A point that is to be tried."""

    number: int
    """Of the trial, from 1 without a gap."""
    point: dict[Path, JsonValue]
    at: datetime


class TrialPoint(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A validation of a trial."""

    epoch: int
    """Passes over the training images that were begun, from 1."""
    step: int
    top1_error: float
    """Percent."""
    top5_error: float
    """Percent."""
    loss: float
    """Mean cross-entropy in nats."""


class Standing(BaseModel, frozen=True, use_attribute_docstrings=True):
    """How far a trial is. The service writes it whenever it has changed."""

    number: int
    job_id: Name | None
    """Of its training; None: it was refused, or is deleted."""
    state: str
    """Of its training."""
    ended: bool
    """Whether nothing more is to be expected of it, unless somebody resumes it."""
    failure: str | None = None
    """Why it came to nothing, in a sentence; None: it came to something, or has not ended."""
    validations: tuple[TrialPoint, ...] = ()
    """By epoch, each once."""

    def lowest(self, metric: Metric) -> float | None:
        """The best value that it came to so far."""
        values = [getattr(point, metric) for point in self.validations]
        return min(values, default=None)


class Verdict(BaseModel, frozen=True, use_attribute_docstrings=True):
    """The search's wish that a trial end before its last step, made once."""

    number: int
    message: str
    """Why, in a sentence."""
    at: datetime


def propose(store: ObjectStore, job_id: str, proposal: Proposal) -> Proposal:
    """Write it unless that trial is proposed; the proposal that stands, which may be another."""
    key = layout.proposal(job_id, proposal.number)
    try:
        store.create(key, proposal.model_dump_json().encode())
    except AlreadyExists:
        standing = read(store, key, Proposal)
        if standing is None:
            raise
        return standing
    return proposal


def judge(store: ObjectStore, job_id: str, verdict: Verdict) -> None:
    """Write it, unless there is one."""
    try:
        store.create(layout.verdict(job_id, verdict.number), verdict.model_dump_json().encode())
    except AlreadyExists:
        return


def proposed(store: ObjectStore, job_id: str, *, after: int = 0) -> list[Proposal]:
    """Those after the `after`th, by number."""
    found = []
    number = after + 1
    while proposal := read(store, layout.proposal(job_id, number), Proposal):
        found.append(proposal)
        number += 1
    return found
