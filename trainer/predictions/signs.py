"""Whether the workers of a prediction live. Ray Data starts a dead one again, however often, and waits for
one that is frozen, or has no room any more, without an end. The driver asks."""

from collections.abc import Callable
from dataclasses import dataclass, field

from trainer.contract import attempts, layout
from trainer.contract.attempts import LEASE_S, Heartbeat
from trainer.contract.objects.store import ObjectStore, StoreUnavailable
from trainer.training.endings import WorkerLost

LOOK_EVERY_S = 5.0
BEGIN_WITHIN_S = 300.0
"""Seconds within which the first worker must begin: as long as the service waits for one of a training."""
MOST_DEATHS = 5
"""Of workers in one attempt: it may be their part that kills them."""
OTHERS = ("driver", "0")
"""Whose signs the service itself looks for."""


@dataclass
class Signs:
    """What was read of one attempt's workers."""

    store: ObjectStore
    job_id: str
    attempt: int
    timer: Callable[[], float]
    _seen: dict[str, tuple[Heartbeat, float]] = field(default_factory=dict)
    """Of each worker its newest sign, and when that was first read."""
    _deaths: int = 0
    _began: float = field(init=False)
    _looked: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._looked = self.timer()

    def check(self) -> None:
        """Look, if it is time. Raises WorkerLost. A store that is away says nothing of anybody."""
        now = self.timer()
        if now - self._looked < LOOK_EVERY_S:
            return
        late = now - self._looked - 2 * LOOK_EVERY_S
        self._looked = now
        if late > 0:  # it was this process that slept, or the store
            self._began += late
            self._seen = {who: (beat, since + late) for who, (beat, since) in self._seen.items()}
        try:
            self._read(now)
        except StoreUnavailable:
            self._seen.clear()
            return
        self._judge(now)

    def _read(self, now: float) -> None:
        folder = layout.heartbeats(self.job_id, self.attempt) + "/"
        for found in self.store.list(folder):
            who = found.key.removeprefix(folder).removesuffix(".json")
            beat = None if who in OTHERS else attempts.read(self.store, found.key, Heartbeat)
            before = self._seen.get(who)
            if beat is None or (before and before[0] == beat):
                continue
            # Within a process the numbers ascend: another one has begun anew.
            self._deaths += bool(before and beat.number <= before[0].number)
            self._seen[who] = (beat, now)

    def _judge(self, now: float) -> None:
        if self._deaths > MOST_DEATHS:
            raise WorkerLost(f"workers died {self._deaths} times")
        for beat, since in self._seen.values():
            if not beat.ended and now - since >= LEASE_S:
                raise WorkerLost(f"a worker gave no sign of life for {LEASE_S:g} s")
        if not self._seen and now - self._began >= BEGIN_WITHIN_S:
            raise WorkerLost(f"no worker began within {BEGIN_WITHIN_S:g} s")
