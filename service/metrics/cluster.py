"""A cluster whose calls are measured. `parts` puts it between the reconciler and Ray."""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass

from service.cluster.cluster import Capacity, Cluster, Sighting
from service.errors import ClusterUnavailable
from service.metrics.instruments import Instruments


@dataclass(frozen=True)
class MeasuredCluster:
    """Implements `Cluster`."""

    cluster: Cluster
    instruments: Instruments
    timer: Callable[[], float] = time.perf_counter

    def submit(self, submission_id: str, entrypoint: str) -> None:
        with self._timing("submit"):
            self.cluster.submit(submission_id, entrypoint)

    def sighting(self, submission_id: str) -> Sighting:
        with self._timing("sighting"):
            seen = self.cluster.sighting(submission_id)
        if seen is Sighting.UNKNOWN:  # it raises nothing
            self.instruments.part_failures.labels("ray", "sighting").inc()
        return seen

    def stop(self, submission_id: str) -> None:
        with self._timing("stop"):
            self.cluster.stop(submission_id)

    def capacity(self) -> Capacity:
        with self._timing("capacity"):
            return self.cluster.capacity()

    def abandoned(self, *, but: AbstractSet[str]) -> frozenset[str]:
        with self._timing("abandoned"):
            return self.cluster.abandoned(but=but)

    def _timing(self, operation: str) -> AbstractContextManager[None]:
        failures = (ClusterUnavailable,)
        return self.instruments.timing("ray", operation, self.timer, failures=failures)
