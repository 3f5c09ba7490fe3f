"""What the reconciler knows at the end of a look, for whoever asks: `/metrics` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.cluster.cluster import Capacity
from service.lifecycle import Job
from trainer.contract.attempts import Heartbeat


@dataclass(frozen=True)
class Live:
    """A job that may hold resources, and what its first worker last said."""

    job: Job
    beat: Heartbeat | None
    """None before the first."""
    silent: timedelta | None
    """Since when that is the newest; None before the first."""


@dataclass(frozen=True)
class Standing:
    """Of one replica."""

    capacity: Capacity | None = None
    """As it was last seen; None while the cluster never answered."""
    answers: bool = False
    """Whether the cluster answered the newest look."""
    leads: bool = False
    """Whether this replica reconciles."""
    looked_at: datetime | None = None
    """When its last whole look was done; None: it never made one."""
    live: Sequence[Live] = ()
    """Oldest first. Only the replica that leads has them."""
