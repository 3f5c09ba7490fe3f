"""A cluster and a Ray Serve that do as the test says; everything else of the app is real."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from service.cluster.cluster import Capacity, Node, Sighting
from service.deployments.serve import Application, Seen
from service.errors import ClusterUnavailable


@dataclass
class FakeCluster:
    """Implements `Cluster`."""

    cpus: float = 4
    gpus: float = 0
    away: bool = False
    submitted: dict[str, Sighting] = field(default_factory=dict)

    def submit(self, submission_id: str, entrypoint: str) -> None:
        self._answer()
        self.submitted.setdefault(submission_id, Sighting.RUNNING)

    def sighting(self, submission_id: str) -> Sighting:
        if self.away:
            return Sighting.UNKNOWN
        return self.submitted.get(submission_id, Sighting.MISSING)

    def stop(self, submission_id: str) -> None:
        self._answer()
        self.submitted[submission_id] = Sighting.ENDED

    def capacity(self) -> Capacity:
        self._answer()
        node = Node("node-1", "127.0.0.1", self.cpus, self.gpus, self.cpus, self.gpus)
        return Capacity((node,))

    def abandoned(self, *, but: AbstractSet[str]) -> frozenset[str]:
        self._answer()
        return frozenset()

    def _answer(self) -> None:
        if self.away:
            raise ClusterUnavailable("Ray does not answer.")


@dataclass
class FakeServe:
    """Implements `Serve`; nothing ever becomes ready."""

    away: bool = False
    applied: list[Application] = field(default_factory=list)

    def look(self) -> Seen:
        if self.away:
            raise ClusterUnavailable("Ray Serve does not answer.")
        return Seen(started=True, applications={})

    def apply(self, applications: Sequence[Application]) -> None:
        self.applied = list(applications)

    def answers(self, route: str) -> bool:
        return False
