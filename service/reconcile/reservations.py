"""Gives back what Ray keeps reserved for attempts that are over (ADR 31). Used by the reconciler."""

import shlex
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from service.cluster.cluster import Cluster

AT_ONCE = 500
"""They are the words of one command."""


@dataclass
class Reservations:
    """What is not given back by one of the looks is by a later one."""

    cluster: Cluster
    clock: Callable[[], datetime]
    _seen: frozenset[str] = field(default_factory=frozenset)
    """By the look before. Of an attempt that has just ended Ray gives back nearly always all by itself."""

    def look(self, live: AbstractSet[str]) -> None:
        """`live`: submissions that are not over, whatever Ray says of them. Raises ClusterUnavailable."""
        found = self.cluster.abandoned(but=live)
        certain = sorted(found & self._seen)[:AT_ONCE]
        self._seen = found.difference(certain)
        if certain:
            submission = f"release-{certain[0]}-{self.clock().timestamp():.0f}"
            self.cluster.submit(
                submission, shlex.join(["python", "-m", "trainer.release", *certain])
            )
            structlog.get_logger().warning("reservations_released", groups=certain)
