"""The reconciler: twice a second it brings every job one step nearer to what it should be.

Of several programs on one database one reconciles; whatever it leaves undone, the next tick does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Event

import structlog

from service.cluster.cluster import Capacity
from service.db.leases import Leases
from service.errors import Conflict, Unavailable
from service.jobs.service import CLAIMS_LAST
from service.jobs.store import Held
from service.lifecycle import State
from service.reconcile.attend import Attendant
from service.reconcile.glance import Glance
from service.reconcile.line import Line
from trainer.contract.objects.store import StoreUnavailable

LEASE = "reconciler"
LEASE_LASTS = timedelta(seconds=6)
"""After a crash the next program waits for so long; clocks may differ by less."""
PROGRESS_EVERY = timedelta(seconds=2)
FORGET_CLAIMS_EVERY = timedelta(minutes=10)

AWAY = (StoreUnavailable, Unavailable)


@dataclass
class Reconciler:
    """Runs in one thread; `capacity` may be asked from any."""

    attendant: Attendant
    leases: Leases
    holder: str
    """Names this program among those that share the database."""
    interval_s: float = 0.5
    also: Sequence[Callable[[], None]] = ()
    """Further parts to bring in order at each tick."""
    _line: Line = field(init=False)
    _capacity: Capacity | None = None
    _last: dict[str, datetime] = field(default_factory=dict)
    """When each thing that not every tick does was last done."""
    _troubles: dict[str, str] = field(default_factory=dict)
    """What is wrong with each part, so that the log says it once."""

    def __post_init__(self) -> None:
        self._line = Line(self.attendant.store)

    def capacity(self) -> Capacity | None:
        """What the cluster was last seen to have; None while it never answered."""
        return self._capacity

    def run(self, stop: Event) -> None:
        """Tick until `stop` is set."""
        while not stop.is_set():
            self._safely("tick", self.tick)
            stop.wait(self.interval_s)
        self._safely("lease", partial(self.leases.release, LEASE, self.holder))

    def tick(self) -> None:
        """Look once at everything, and act. A part that fails stops no other."""
        glance = Glance(self.attendant.cluster)
        self._safely("cluster", glance.at_capacity)
        self._capacity = glance.capacity or self._capacity
        if not self._leads():
            return
        for held in self.attendant.store.holding():
            if not self._leads():  # the tick took long, and another program took over
                return
            self._attend(held, glance)
        self._safely("leaving", self.attendant.see_off)
        self._safely("line", partial(self._admit, glance))
        if self._is_time("progress", PROGRESS_EVERY):
            self._note_progress()
        if self._is_time("claims", FORGET_CLAIMS_EVERY):
            before = self.attendant.clock() - CLAIMS_LAST
            self._safely("claims", partial(self.attendant.store.forget_claims, before))
        for number, part in enumerate(self.also):
            self._safely(f"part {number}", part)

    def _leads(self) -> bool:
        now = self.attendant.clock()
        return self.leases.hold(LEASE, self.holder, now=now, ttl=LEASE_LASTS)

    def _admit(self, glance: Glance) -> None:
        now = self.attendant.clock()
        for job in self._line.admit(glance.capacity, now=now):
            self._attend(Held(job, submitted=False), glance)

    def _attend(self, held: Held, glance: Glance) -> None:
        self._safely(held.job.id, partial(self.attendant.attend, held, glance.at))

    def _note_progress(self) -> None:
        for held in self.attendant.store.holding():
            if held.job.state is State.RUNNING:
                self._safely(held.job.id, partial(self.attendant.note_progress, held.job))

    def _is_time(self, what: str, every: timedelta) -> bool:
        now = self.attendant.clock()
        if what in self._last and now - self._last[what] < every:
            return False
        self._last[what] = now
        return True

    def _safely(self, part: str, do: Callable[[], None]) -> None:
        """Do it; a failure is logged, once as long as it stays the same, and ends nothing else."""
        try:
            do()
        except Conflict:
            return  # a job moved meanwhile; the next tick sees how
        except Exception as error:  # noqa: BLE001 - one broken part must not stop all jobs
            if self._troubles.get(part) != repr(error):
                self._troubles[part] = repr(error)
                is_known = isinstance(error, AWAY)
                structlog.get_logger().warning(
                    "reconcile_failed", part=part, error=repr(error), exc_info=not is_known
                )
        else:
            self._troubles.pop(part, None)
