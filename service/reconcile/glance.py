"""One look of the reconciler at the cluster."""

from dataclasses import dataclass

from service.cluster.cluster import Capacity, Cluster, Sighting


@dataclass
class Glance:
    """What the cluster says in one tick. Silence costs seconds, so a cluster that neither tells its
    capacity nor answers for a job is asked no more; either alone may be one part of Ray failing."""

    cluster: Cluster
    capacity: Capacity | None = None
    _silent: bool = False

    def at_capacity(self) -> None:
        """Raises ClusterUnavailable."""
        self.capacity = self.cluster.capacity()

    def at(self, submission_id: str) -> Sighting:
        if self._silent:
            return Sighting.UNKNOWN
        seen = self.cluster.sighting(submission_id)
        self._silent = seen is Sighting.UNKNOWN and self.capacity is None
        return seen
