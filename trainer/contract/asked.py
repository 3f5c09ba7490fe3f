"""What every kind of job can be asked, and what every resolved one needs of the cluster."""

from typing import Annotated

from pydantic import (
    BaseModel,
    Field,
    StringConstraints,
    TypeAdapter,
    field_validator,
    model_validator,
)

from trainer.contract.names import Name

Label = Annotated[str, StringConstraints(max_length=128)]
Labels = Annotated[dict[Name, Label], Field(max_length=64)]
JobName = Annotated[str, StringConstraints(max_length=200)]
Priority = Annotated[int, Field(ge=-1000, le=1000)]

MAX_WORKERS = 4096

Seconds = Annotated[float, Field(ge=1, le=10 * 365 * 86_400)]

WorkerCount = Annotated[int, Field(ge=1, le=MAX_WORKERS)]


class WorkerRange(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Elastic workers: as many as fit, of these."""

    min: int = Field(ge=1, le=MAX_WORKERS)
    """The job starts, or goes on after a failure, when so many fit."""
    max: int = Field(ge=1, le=MAX_WORKERS)
    """It is given so many when there is room; while it runs with fewer it grows when room comes."""

    @model_validator(mode="after")
    def _ordered(self) -> "WorkerRange":
        if self.min > self.max:
            raise ValueError(f"'min' is {self.min}, more than 'max', {self.max}")
        return self


class Asked(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Fields of every request for a job. A misspelt field is refused, never ignored."""

    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    """Images at once, over all workers: of one optimizer step, or of one step of an evaluation."""
    workers: WorkerCount | WorkerRange | None = None
    """Processes that share the work, or a range of them (elastic). Default: one a GPU of the cluster,
    or 2 on CPUs."""
    cpus_per_worker: float | None = Field(default=None, gt=0, le=1024)
    """CPUs that each worker reserves, and threads it computes with. Default: 1."""
    gpus_per_worker: float | None = Field(default=None, ge=0, le=64)
    """GPUs that each worker reserves. Default: 1 where the cluster has any, else 0."""
    max_retries: int = Field(default=3, ge=0, le=100)
    """New attempts after a failure that is not the user's."""
    max_runtime: Seconds | None = None
    """Seconds that the job may run, all attempts together, without the time in the queue; then it keeps
    a checkpoint and fails. Default: as long as it takes."""
    max_pending: Seconds | None = None
    """Seconds that it may stand in the queue at once; then it fails. Default: as long as it takes."""
    priority: Priority = 0
    """Higher starts first, among the jobs of a project. A step is worth an hour of waiting."""
    name: JobName | None = None
    """Free text."""
    labels: Labels = {}
    """Free pairs to find jobs by."""

    @field_validator("workers", mode="wrap")
    @classmethod
    def _number_or_range(cls, value: object, _: object) -> object:
        """Only what is wrong with the one that was meant is said."""
        if value is None or isinstance(value, WorkerRange):
            return value
        meant = WorkerRange if isinstance(value, dict) else WorkerCount
        return TypeAdapter(meant).validate_python(value)


class Demand(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an attempt takes from the cluster, all at once."""

    cpus: float
    gpus: float


class Placed(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Fields of every resolved job: what an attempt takes, and where the job stands in line."""

    workers: int
    """Of an elastic job the most; an attempt's own order says how many it has."""
    min_workers: int | None = None
    """Of an elastic job: the least. None: it always has `workers`."""
    cpus_per_worker: float
    gpus_per_worker: float
    max_retries: int
    max_runtime: float | None = None
    """Seconds."""
    max_pending: float | None = None
    """Seconds."""
    priority: int
    name: str | None
    labels: dict[Name, Label]

    @property
    def least_workers(self) -> int:
        """With fewer it does not start."""
        return self.workers if self.min_workers is None else self.min_workers

    @property
    def demand(self) -> Demand:
        return Demand(
            cpus=self.workers * self.cpus_per_worker, gpus=self.workers * self.gpus_per_worker
        )


class Batched(Placed, frozen=True, extra="forbid"):
    """Of jobs whose workers share batches of images."""

    batch_size: int
    per_worker_batch: int
    """Images a worker holds at once: the largest share of a forward pass."""
