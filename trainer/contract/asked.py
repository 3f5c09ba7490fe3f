"""What every kind of job can be asked, and what every resolved one needs of the cluster."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from trainer.contract.names import Name

Label = Annotated[str, StringConstraints(max_length=128)]


class Asked(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Fields of every request for a job. A misspelt field is refused, never ignored."""

    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    """Images at once, over all workers: of one optimizer step, or of one step of an evaluation."""
    workers: int | None = Field(default=None, ge=1, le=4096)
    """Processes that share the work. Default: one a GPU of the cluster, or 2 on CPUs."""
    cpus_per_worker: float | None = Field(default=None, gt=0, le=1024)
    """CPUs that each worker reserves, and threads it computes with. Default: 1."""
    gpus_per_worker: float | None = Field(default=None, ge=0, le=64)
    """GPUs that each worker reserves. Default: 1 where the cluster has any, else 0."""
    max_retries: int = Field(default=3, ge=0, le=100)
    """New attempts after a failure that is not the user's."""
    priority: int = Field(default=0, ge=-1000, le=1000)
    """Higher starts first."""
    name: str | None = Field(default=None, max_length=200)
    """Free text."""
    labels: dict[Name, Label] = Field(default={}, max_length=64)
    """Free pairs to find jobs by."""


class Demand(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an attempt takes from the cluster, all at once."""

    cpus: float
    gpus: float


class Placed(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Fields of every resolved job: what an attempt takes, and where the job stands in line."""

    batch_size: int
    per_worker_batch: int
    """Images a worker holds at once: the largest share of a step."""
    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    max_retries: int
    priority: int
    name: str | None
    labels: dict[Name, Label]

    @property
    def demand(self) -> Demand:
        return Demand(
            cpus=self.workers * self.cpus_per_worker, gpus=self.workers * self.gpus_per_worker
        )
