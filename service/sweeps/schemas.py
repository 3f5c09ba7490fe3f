"""What the routes of sweeps give, and what they can be asked."""

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from service.http.example import example
from service.lifecycle import State
from service.sweeps import examples
from service.sweeps.service import Measured, minutes
from trainer.contract.reasons import Reason
from trainer.contract.spec import ResolvedSpec
from trainer.contract.trials import TrialPoint


class TrialsWanted(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    limit: int = Field(default=100, ge=1, le=1000)
    """Trials on a page."""
    cursor: int = Field(default=0, ge=0, le=2**31 - 1)
    """A page's `next_cursor`."""


class TrialOut(BaseModel, use_attribute_docstrings=True):
    """A trial of a sweep: a training like any other."""

    number: int
    """From 1, in the order in which they were proposed."""
    point: dict[str, JsonValue]
    """What varies, and what it is here."""
    job: str | None
    """The id of its training; null: it was refused, or has been deleted since."""
    state: State | None
    """Of its training."""
    reason: Reason | None
    """Why it is in this state, or why it was refused."""
    epoch: int
    """Validated so far; 0 before the first."""
    epochs: int | None
    """In all."""
    lowest: float | None
    """The best value of the sweep's metric so far."""
    final: TrialPoint | None
    """Its newest validation."""
    minutes: float | None
    """That it ran, all attempts together, up to its last change of state."""
    links: dict[str, str]

    @classmethod
    def of(cls, found: Measured) -> "TrialOut":
        trial, job = found.trial, found.trial.job
        newest = found.validations[-1] if found.validations else None
        return cls(
            number=trial.number,
            point=trial.point,
            job=job.id if job else None,
            state=job.state if job else None,
            reason=job.reason if job else trial.refusal,
            epoch=newest.epoch if newest else 0,
            epochs=job.spec.epochs if job and isinstance(job.spec, ResolvedSpec) else None,
            lowest=found.lowest,
            final=newest,
            minutes=minutes(job) if job else None,
            links=_links(found),
        )


def _links(found: Measured) -> dict[str, str]:
    links = {}
    if found.trial.job:
        links["job"] = f"/jobs/{found.trial.job.id}"
    if found.evaluation:
        links["analysis"] = f"/jobs/{found.evaluation.id}/analysis"
    return links


class TrialsOut(BaseModel, use_attribute_docstrings=True):
    """A page of a sweep's trials, by number."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: TrialsOut.of(examples.trials(), None))
    )

    items: list[TrialOut]
    next_cursor: int | None
    """Give it as `cursor` for the next page; null on the last one."""

    @classmethod
    def of(cls, found: list[Measured], next_cursor: int | None) -> "TrialsOut":
        return cls(items=[TrialOut.of(each) for each in found], next_cursor=next_cursor)
