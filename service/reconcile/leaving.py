"""Attempts whose jobs have moved on and whose processes should be gone. Used by the reconciler."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.cluster.cluster import Cluster, Sighting

LEAVES_WITHIN = timedelta(seconds=10)
"""How long an attempt may take to exit after its outcome, before it is stopped; and between two tries to
stop it."""


@dataclass
class Leaving:
    """In memory: after a restart of the service a predecessor is looked at again when its successor is
    submitted."""

    cluster: Cluster
    clock: Callable[[], datetime]
    _due: dict[str, datetime] = field(default_factory=dict)

    def expect(self, submission: str, *, within: timedelta = LEAVES_WITHIN) -> None:
        """The submission is to be gone by itself `within` that time."""
        self._due[submission] = self.clock() + within

    def due(self) -> list[str]:
        """Submissions to look at now."""
        now = self.clock()
        return [submission for submission, at in self._due.items() if at <= now]

    def see_off(self, submission: str) -> None:
        """Stop it if it still lives. Raises ClusterUnavailable."""
        match self.cluster.sighting(submission):
            case Sighting.PENDING | Sighting.RUNNING:
                self._due[submission] = self.clock() + LEAVES_WITHIN
                self.cluster.stop(submission)
            case Sighting.MISSING | Sighting.ENDED:
                del self._due[submission]
            case Sighting.UNKNOWN:
                self._due[submission] = self.clock() + LEAVES_WITHIN
