"""What the routes of jobs give, and what they can be asked; a job itself is a `JobSpec`."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from service.cluster.cluster import Capacity
from service.http.example import example
from service.jobs import examples
from service.jobs.control import More
from service.jobs.plan import Plan
from service.jobs.store import Page
from service.jobs.sweep_plan import SweepPlan
from service.lifecycle import Job, Progress, Result, State
from trainer.contract.asked import Demand, JobName, Labels, Priority
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.kinds import Kind, Resolved
from trainer.contract.prediction import ResolvedPrediction
from trainer.contract.reasons import Reason
from trainer.contract.space import Point
from trainer.contract.spec import Epochs
from trainer.contract.sweep import MAX_TRIALS, ResolvedSweep


class JobsWanted(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    state: State | None = None
    """Only jobs in this state."""
    kind: Kind | None = None
    """Only jobs of this kind."""
    label: list[str] = Field(default=[], max_length=1, examples=[["team=vision"]])
    """`key=value`: only jobs that carry this label."""
    limit: int = Field(default=50, ge=1, le=500)
    """Jobs on a page."""
    cursor: str | None = Field(default=None, max_length=64)
    """A page's `next_cursor`."""

    @field_validator("label")
    @classmethod
    def _key_and_value(cls, label: list[str]) -> list[str]:
        if any("=" not in one for one in label):
            raise ValueError("give it as key=value, for example team=vision")
        return label

    def asked(self) -> dict[str, Any]:
        """In the words of `Jobs.page`."""
        pair = tuple(self.label[0].split("=", 1)) if self.label else None
        return self.model_dump(exclude={"label"}) | {"label": pair}


class JobOut(BaseModel, use_attribute_docstrings=True):
    """A job."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: JobOut.of(examples.job()), lambda: JobOut.of(examples.evaluation_job())
        )
    )

    id: str
    kind: Kind
    state: State
    reason: Reason | None
    """Why it is in this state. null only in jobs of a version that did not say it of every state."""
    attempt: int
    """Number of its newest attempt, from 1; 0 before the first."""
    workers: int | None
    """Of its newest attempt, where `spec` leaves a choice; null before the first."""
    spec: Resolved
    """What was asked for, with every default filled in."""
    progress: Progress | None
    result: Result | None
    name: str | None
    labels: dict[str, str]
    priority: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    links: dict[str, str]

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        return cls(
            id=job.id,
            kind=job.spec.kind,
            state=job.state,
            reason=job.reason,
            attempt=job.attempt,
            workers=job.workers,
            spec=job.spec,
            progress=job.progress,
            result=job.result,
            name=job.spec.name,
            labels=job.spec.labels,
            priority=job.spec.priority,
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            links=_links(job),
        )


def _unset(schema: dict[str, Any]) -> None:
    """What is left out stays as it is: nothing is its default."""
    schema.pop("default", None)


UNSET: Any = None
"""Of fields that were left out; `model_fields_set` says which."""


class JobChange(BaseModel):
    """What is left out stays as it is; something has to be given."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"priority": 10}, {"name": None, "labels": {"team": "a"}}]},
    )

    priority: Priority = Field(default=UNSET, json_schema_extra=_unset)
    """Its new place in line; of a job that runs it counts when that is queued again."""
    name: JobName | None = Field(default=UNSET, json_schema_extra=_unset)
    """null takes the name away."""
    labels: Labels = Field(default=UNSET, json_schema_extra=_unset)
    """All of its labels: those that are not given are gone."""

    @model_validator(mode="after")
    def _something(self) -> "JobChange":
        if not self.model_fields_set:
            raise ValueError("give 'priority', 'name' or 'labels': they can be changed")
        return self


class Resumption(BaseModel):
    """How a job goes on."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"epochs": 30}, {}]},
    )

    epochs: Epochs | None = None
    """Of a training: its length in all, more than it has done; its schedule stretches over them. A
    succeeded job needs it. Default: as it was."""
    trials: int | None = Field(default=None, ge=1, le=MAX_TRIALS)
    """Of a sweep that searches: how many in all, more than it has. Default: as it was."""
    points: list[Point] = Field(default=[], max_length=MAX_TRIALS)
    """Of a sweep of given points: further ones. Default: none."""

    def more(self) -> More:
        return More(self.epochs, self.trials, tuple(self.points))


class JobsOut(BaseModel, use_attribute_docstrings=True):
    """A page of jobs, newest first."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: JobsOut.of(Page((examples.job(),), examples.JOB_ID)))
    )

    items: list[JobOut]
    next_cursor: str | None
    """Give it as `cursor` for the next page; null on the last one."""

    @classmethod
    def of(cls, page: Page) -> "JobsOut":
        return cls(items=[JobOut.of(job) for job in page.items], next_cursor=page.next_cursor)


class Available(BaseModel):
    """What the cluster has, and what of it is free."""

    cpus: float
    cpus_free: float
    gpus: float
    gpus_free: float

    @classmethod
    def of(cls, capacity: Capacity) -> "Available":
        return cls(
            cpus=capacity.cpus,
            cpus_free=capacity.cpus_free,
            gpus=capacity.gpus,
            gpus_free=capacity.gpus_free,
        )


class TrialPlanOut(BaseModel, use_attribute_docstrings=True):
    """A trial that a sweep would have."""

    point: dict[str, JsonValue] | None
    """null: it is drawn or chosen when its turn comes; this is one at an end of the space."""
    network: str
    parameters: int
    multiply_adds: int
    """Of one image's forward pass."""
    epochs: int
    hours: float | None
    """That it trains, by what trainings on this cluster were measured to do; null: none like it was."""
    check: Reason | None
    """Why it would never start on this cluster."""


class SweepPlanOut(BaseModel, use_attribute_docstrings=True):
    """What a sweep would be."""

    count: int
    """Of its trials."""
    trials: list[TrialPlanOut]
    """Of a search that draws its points, some that it may have."""
    worker_hours: float | None
    """Of all trials: hours times workers, which are GPU-hours where each worker has one. At most, where
    trials may end early."""
    hours: float | None
    """With `search.at_once` trials at a time."""
    measured: int
    """Trainings on this cluster that the hours are estimated from."""

    @classmethod
    def of(cls, plan: SweepPlan) -> "SweepPlanOut":
        trials = [TrialPlanOut(**asdict(trial)) for trial in plan.trials]
        return cls(
            count=plan.count,
            trials=trials,
            worker_hours=plan.worker_hours,
            hours=plan.hours,
            measured=plan.measured,
        )


class PlanOut(BaseModel, use_attribute_docstrings=True):
    """What a job would be; none has been made."""

    model_config = ConfigDict(json_schema_extra=example(lambda: PlanOut.of(examples.planned())))

    spec: Resolved
    parameters: int
    """Of the network, or of all models of an evaluation together."""
    multiply_adds: int
    """Of one image's forward pass, as the paper counts; of an evaluation through all models, in all
    views of the image."""
    memory_per_worker_bytes: int
    """An estimate. Of a training: 12 bytes a parameter (fp32 weight, gradient, momentum), 4 more for a
    moving average of the weights, and 4 bytes an activation of the worker's images; with activations
    that are computed again, only those of the largest block and every block's output. Of an evaluation or a
    prediction: 4 bytes a parameter, and 4 bytes an activation of the largest layer for the worker's images in
    the largest view. The libraries' own memory comes on top."""
    demand: Demand
    """Of the cluster, with all of its workers."""
    least_demand: Demand
    """Of an elastic job with the fewest workers that it starts with; else the same."""
    cluster: Available | None
    """As last seen; null while the cluster has not answered."""
    checks: list[Reason]
    """What would keep it from starting now."""
    notes: list[str]
    """What was decided for you and may surprise, in sentences."""
    sweep: SweepPlanOut | None
    """Of a sweep: its trials. The figures above are those of the largest."""

    @classmethod
    def of(cls, plan: Plan) -> "PlanOut":
        return cls(
            spec=plan.spec,
            parameters=plan.parameters,
            multiply_adds=plan.multiply_adds,
            memory_per_worker_bytes=plan.memory_per_worker_bytes,
            demand=plan.demand,
            least_demand=plan.least_demand,
            cluster=Available.of(plan.cluster) if plan.cluster else None,
            checks=list(plan.checks),
            notes=list(plan.notes),
            sweep=SweepPlanOut.of(plan.sweep) if plan.sweep else None,
        )


def _links(job: Job) -> dict[str, str]:
    here = f"/jobs/{job.id}"
    parts = ["metrics", "logs", "events", "checkpoints", "pause", "resume", "cancel"]
    if isinstance(job.spec, ResolvedSweep):
        parts = ["trials", "report", "logs", "events", "pause", "resume", "cancel"]
        return {"self": here} | {part: f"{here}/{part}" for part in parts}
    if isinstance(job.spec, ResolvedEvaluation) and job.spec.analyse:
        parts.append("analysis")
    if isinstance(job.spec, ResolvedPrediction):
        parts = ["predictions", "logs", "events", "pause", "resume", "cancel"]
        return {"self": here} | {part: f"{here}/{part}" for part in parts}
    return {"self": here, "stream": f"{here}/metrics/stream"} | {
        part: f"{here}/{part}" for part in parts
    }
