"""What the system's routes give."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from service.cluster.cluster import Capacity, Node
from service.errors import NotFound
from service.http.example import example
from service.lifecycle import Job
from service.problems import kinds
from trainer.contract.asked import Demand
from trainer.contract.reasons import Reason


class AliveOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"


class PartOut(BaseModel):
    ready: bool
    message: str | None


class ReadyOut(BaseModel, use_attribute_docstrings=True):
    """Ready when every part is."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: ReadyOut.of({"database": None, "ray": "The Ray cluster does not answer."})
        )
    )

    ready: bool
    parts: dict[str, PartOut]

    @classmethod
    def of(cls, away: dict[str, str | None]) -> "ReadyOut":
        parts = {
            name: PartOut(ready=message is None, message=message) for name, message in away.items()
        }
        return cls(ready=all(part.ready for part in parts.values()), parts=parts)


class Amount(BaseModel):
    total: float
    free: float


class NodeOut(BaseModel):
    id: str
    address: str
    cpus: Amount
    gpus: Amount

    @classmethod
    def of(cls, node: Node) -> "NodeOut":
        return cls(
            id=node.id,
            address=node.address,
            cpus=Amount(total=node.cpus, free=node.cpus_free),
            gpus=Amount(total=node.gpus, free=node.gpus_free),
        )


class QueuedOut(BaseModel, use_attribute_docstrings=True):
    """A job that waits."""

    position: int
    """In the line, from 1."""
    job: str | None
    """Its id; null where it belongs to another project."""
    priority: int
    demand: Demand
    """With all of its workers."""
    reason: Reason | None
    """What it waits for."""


class ClusterOut(BaseModel, use_attribute_docstrings=True):
    """The cluster now, and who waits for it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: ClusterOut.of(
                Capacity((Node("node-1", "127.0.0.1", 8, 1, 6, 0),)), [], project="default"
            )
        )
    )

    cpus: Amount
    gpus: Amount
    nodes: list[NodeOut]
    queue: list[QueuedOut]
    """The first 100 in line, in the order in which they start."""

    @classmethod
    def of(cls, capacity: Capacity, queue: list[Job], *, project: str) -> "ClusterOut":
        return cls(
            cpus=Amount(total=capacity.cpus, free=capacity.cpus_free),
            gpus=Amount(total=capacity.gpus, free=capacity.gpus_free),
            nodes=[NodeOut.of(node) for node in capacity.nodes],
            queue=[
                QueuedOut(
                    position=position,
                    job=job.id if job.project == project else None,
                    priority=job.spec.priority,
                    demand=job.spec.demand,
                    reason=job.reason,
                )
                for position, job in enumerate(queue, start=1)
            ],
        )


class ProblemKind(BaseModel):
    """A kind of failure; `type` of every problem leads here."""

    model_config = ConfigDict(json_schema_extra=example(lambda: ProblemKind.of("not_found")))

    code: str
    title: str
    status: int
    meaning: str

    @classmethod
    def of(cls, code: str) -> "ProblemKind":
        """Raises NotFound."""
        if code not in kinds():
            raise NotFound(f"There is no problem '{code}'; there are {', '.join(kinds())}.")
        error, meaning = kinds()[code]
        return cls(code=code, title=error.title, status=error.status, meaning=meaning)
