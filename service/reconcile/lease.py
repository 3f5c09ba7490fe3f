"""Whether attempts are alive, as their own signs of life say. Used by the reconciler's `look`."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.lifecycle import Job
from trainer.contract import attempts, layout
from trainer.contract.attempts import LEASE_S, Heartbeat
from trainer.contract.names import submission_id
from trainer.contract.objects.store import ObjectStore

LOOK_EVERY = timedelta(seconds=5)
"""Between two looks at an attempt: a lost one is known this much after its lease is over at the latest."""
BETWEEN_LOOKS = 2 * LOOK_EVERY
"""The most that counts as silence between two looks. Was it longer, then the store was away, or this
program: and nothing says that the attempt did not live."""

WIND_UP_S = 120.0
"""Seconds from the first worker's last sign to the attempt's outcome: Ray Train has the other workers end,
and the driver commits. Ray Train's controller gives no signs of its own, and may be frozen."""

WHO = {"driver": "driver", "0": "first worker"}
"""Whose signs are looked for, under which name, and what they are called."""


@dataclass
class _Watched:
    beat: Heartbeat | None = None
    """The newest that was read."""
    silent: timedelta = timedelta(0)
    """For how long it was read unchanged."""
    at: datetime | None = None
    """When it was last read."""


@dataclass
class Life:
    """What one attempt's signs say."""

    looked_at: datetime
    watched: dict[str, _Watched] = field(default_factory=lambda: {who: _Watched() for who in WHO})

    @property
    def placed(self) -> bool:
        """Whether its first worker has begun."""
        return self.watched["0"].beat is not None

    @property
    def first(self) -> _Watched:
        """The first worker's."""
        return self.watched["0"]

    @property
    def lost(self) -> str | None:
        """Who has been silent for longer than the lease, in a sentence."""
        for who, one in self.watched.items():
            if one.beat and not one.beat.ended and one.silent.total_seconds() >= LEASE_S:
                return f"The attempt's {WHO[who]} gave no sign of life for {LEASE_S:g} s."
        first = self.watched["0"]
        if first.beat and first.beat.ended and first.silent.total_seconds() >= WIND_UP_S:
            return f"The attempt did not end within {WIND_UP_S:g} s of its first worker."
        return None


@dataclass
class Signs:
    """Kept in memory only: another program that takes over waits for a whole lease before it gives up
    any attempt."""

    objects: ObjectStore
    clock: Callable[[], datetime]
    _lives: dict[str, Life] = field(default_factory=dict)

    def of(self, job: Job) -> Life:
        """Of the newest attempt; read from the store every few seconds. Raises StoreUnavailable."""
        key, now = submission_id(job.id, job.attempt), self.clock()
        life = self._lives.get(key)
        if life is None or now - life.looked_at >= LOOK_EVERY:
            life = self._lives[key] = life or Life(now)
            life.looked_at = now
            for who, watched in life.watched.items():
                self._look(watched, layout.heartbeat(job.id, job.attempt, who), now)
        return life

    def known(self, job: Job) -> Life | None:
        """What was last read of its newest attempt; None: nothing yet."""
        return self._lives.get(submission_id(job.id, job.attempt))

    def begin_anew(self, job: Job) -> None:
        """Count the silence of its newest attempt from now on."""
        self._lives.pop(submission_id(job.id, job.attempt), None)

    def forget(self, *, but: Container[str]) -> None:
        """Drop what is known of all submissions but those."""
        self._lives = {key: life for key, life in self._lives.items() if key in but}

    def _look(self, watched: _Watched, key: str, now: datetime) -> None:
        try:
            found = attempts.read(self.objects, key, Heartbeat)
        except ValueError:  # not one of ours: it says nothing
            return
        if found == watched.beat and watched.at:
            watched.silent += min(now - watched.at, BETWEEN_LOOKS)
        else:
            watched.silent = timedelta(0)
        watched.beat, watched.at = found, now
