"""What the service asks of a Ray cluster. `ray_rest` asks a real one; tests have a fake."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Sighting(StrEnum):
    """What the cluster says of a submission. Ray's own table is a hint, never the truth."""

    UNKNOWN = "unknown"
    """The cluster did not answer: nothing follows from it."""
    MISSING = "missing"
    """The cluster answered that it knows no such submission."""
    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    """Its entrypoint is over, however it ended; the outcome says how."""


@dataclass(frozen=True)
class Node:
    """One machine of the cluster."""

    id: str
    address: str
    cpus: float
    gpus: float
    cpus_free: float
    gpus_free: float


@dataclass(frozen=True)
class Capacity:
    """The living nodes of the cluster."""

    nodes: tuple[Node, ...]

    @property
    def cpus(self) -> float:
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        return sum(node.gpus for node in self.nodes)

    @property
    def cpus_free(self) -> float:
        return sum(node.cpus_free for node in self.nodes)

    @property
    def gpus_free(self) -> float:
        return sum(node.gpus_free for node in self.nodes)


class Cluster(Protocol):
    """All calls are synchronous and give up after a few seconds."""

    def submit(self, submission_id: str, entrypoint: str) -> None:
        """Start `entrypoint` once; a submission that exists already is left alone.
        Raises ClusterUnavailable when it is not certain that the submission exists."""

    def sighting(self, submission_id: str) -> Sighting:
        """What the cluster says of a submission. Never raises."""

    def stop(self, submission_id: str) -> None:
        """SIGTERM, then SIGKILL, to a submission; nothing happens when it is over.
        Raises ClusterUnavailable."""

    def capacity(self) -> Capacity:
        """What the cluster has and what of it is free. Raises ClusterUnavailable."""

    def abandoned(self, *, but: AbstractSet[str]) -> frozenset[str]:
        """Ids of placement groups that are kept for attempts whose submission has ended, `but` for these
        submissions. Raises ClusterUnavailable."""
