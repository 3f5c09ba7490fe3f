"""The reconciler: twice a second it brings every job one step nearer to what it should be.

Of several programs on one database one reconciles; whatever it leaves undone, the next tick does.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event

import structlog
from structlog.contextvars import bound_contextvars

from service.cluster.cluster import Capacity
from service.db.leases import Leases
from service.errors import Conflict, Unavailable
from service.jobs.leftovers import Leftovers
from service.jobs.service import CLAIMS_LAST
from service.jobs.store import Held
from service.lifecycle import Job, State
from service.metrics.instruments import Instruments
from service.metrics.standing import Live, Standing
from service.reconcile import fair, quota, told
from service.reconcile.attend import Attendant
from service.reconcile.glance import Glance
from service.reconcile.grow import growth
from service.reconcile.line import Line
from service.reconcile.quota import Quotas
from service.reconcile.reservations import Reservations
from service.reconcile.sweep import Sweeper
from service.reconcile.tidy import Tidier
from service.reconcile.usage import Usage
from trainer.contract.names import job_and_attempt, submission_id
from trainer.contract.objects.store import StoreUnavailable
from trainer.contract.reasons import Reason

LEASE = "reconciler"
LEASE_LASTS = timedelta(seconds=6)
"""After a crash the next program waits for so long, and at most for a tick more: 10 s are promised.
Clocks may differ by less."""
SWEEP_EVERY = timedelta(seconds=5)
USAGE_EVERY = timedelta(seconds=5)
RESERVATIONS_EVERY = timedelta(seconds=3)
"""Two looks, and the start of a process, are within the 10 s that a cancelled job may take to be gone."""
PROGRESS_EVERY = timedelta(seconds=2)
FORGET_CLAIMS_EVERY = timedelta(minutes=10)
GIVE_UP_WRITES_EVERY = timedelta(hours=1)
WRITES_LAST = timedelta(days=1)
"""The longest that the store may take to get an object: what is older was begun by a process that died."""

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
    quotas: Quotas = quota.unlimited
    instruments: Instruments = field(default_factory=Instruments)
    timer: Callable[[], float] = time.perf_counter
    _line: Line = field(init=False)
    _sweeper: Sweeper = field(init=False)
    _tidier: Tidier = field(init=False)
    _usage: Usage = field(init=False)
    _reservations: Reservations = field(init=False)
    _standing: Standing = field(default_factory=Standing)
    _ending: Reason | None = None
    """Why nothing is started any more, and what runs is asked to end."""
    _last: dict[str, datetime] = field(default_factory=dict)
    """When each thing that not every tick does was last done."""
    _troubles: dict[str, str] = field(default_factory=dict)
    """What is wrong with each part, so that the log says it once."""

    def __post_init__(self) -> None:
        of = self.attendant
        self._line = Line(of.store, self.quotas)
        self._sweeper = Sweeper(of.store, of.objects, of.clock)
        self._tidier = Tidier(Leftovers(of.store.engine), of.objects, of.clock)
        self._usage = Usage(of.store.engine)
        self._reservations = Reservations(of.cluster, of.clock)

    def capacity(self) -> Capacity | None:
        """What the cluster was last seen to have; None while it never answered."""
        return self._standing.capacity

    def standing(self) -> Standing:
        """What was known at the end of the last look. From any thread."""
        return self._standing

    def end_attempts(self, why: Reason) -> None:
        """From the next tick on start nothing, and have what runs keep a checkpoint and end. From any
        thread."""
        self._ending = why

    def at_rest(self) -> bool:
        """Whether nothing runs that could still keep a checkpoint. From any thread."""
        return not any(job.state in {State.RUNNING, State.PAUSING} for job in self._holding())

    def run(self, stop: Event) -> None:
        """Tick until `stop` is set."""
        while not stop.is_set():
            self._safely("tick", self.tick)
            stop.wait(self.interval_s)
        self._safely("lease", partial(self.leases.release, LEASE, self.holder))

    def tick(self) -> None:
        """Look once at everything, and act. A part that fails stops no other."""
        began, glance = self.timer(), Glance(self.attendant.cluster)
        self._safely("cluster", glance.at_capacity)
        self._standing = replace(
            self._standing,
            capacity=glance.capacity or self._standing.capacity,
            answers=glance.capacity is not None,
        )
        if not self._lead(glance):
            self._standing = replace(self._standing, leads=False, live=())
            return
        self.instruments.look_seconds.observe(self.timer() - began)
        now = self.attendant.clock()
        self._standing = replace(self._standing, leads=True, looked_at=now, live=self._live())

    def _lead(self, glance: Glance) -> bool:
        """Act on what is seen. False when another program leads, or took over meanwhile."""
        if not self._leads():
            return False
        holding = self.attendant.store.holding()
        for held in holding:
            self._attend(held, glance)  # which asks for the lease again before it acts
        if not self._leads():  # the looks took long, and another program took over
            return False
        self._see_off(holding)
        if self._ending is None:
            self._safely("line", partial(self._admit, glance))
            self._safely("growth", self._grow)
        else:
            self._safely("end", partial(self._end, self._ending))
        self._now_and_then()
        for part in self.also:
            self._safely(getattr(part, "__qualname__", "part"), part)
        return True

    def _leads(self) -> bool:
        now = self.attendant.clock()
        return self.leases.hold(LEASE, self.holder, now=now, ttl=LEASE_LASTS)

    def _attend(self, held: Held, glance: Glance) -> None:
        look = partial(self.attendant.attend, held, glance.at, self._leads)
        self._safely_with(held.job, look)

    def _see_off(self, holding: Sequence[Held]) -> None:
        """Attempts that should have exited; and forget what was only of use while they ran."""
        leaving = self.attendant.leaving
        for submission in leaving.due():
            job_id, attempt = job_and_attempt(submission)
            with bound_contextvars(job=job_id, attempt=attempt):
                self._safely(submission, partial(leaving.see_off, submission), about="job")
        known = {submission_id(held.job.id, held.job.attempt) for held in holding}
        self.attendant.lookout.forget(but=known)

    def _admit(self, glance: Glance) -> None:
        now = self.attendant.clock()
        self._line.expire(now=now)
        for job in self._line.admit(glance.capacity, self._holding(), now=now):
            self._attend(Held(job, submitted=False), glance)

    def _grow(self) -> None:
        """One job at a time: the next one sees what that left."""
        spare, attendant = self._line.spare, self.attendant
        if spare is None:
            return
        holding = self._holding()
        if any(attendant.lookout.is_halted(job) for job in holding):
            return
        found = growth(holding, spare, self.quotas, now=attendant.clock())
        if found and self._leads():
            attendant.halt(found.job, told.grows(found.job, found.to))

    def _end(self, why: Reason) -> None:
        for job in self._holding():
            working = job.state in {State.STARTING, State.RUNNING}
            if working and not self.attendant.lookout.is_halted(job):
                self._safely_with(job, partial(self.attendant.halt, job, why))

    def _now_and_then(self) -> None:
        if self._is_time("progress", PROGRESS_EVERY):
            self._note_progress()
        if self._is_time("usage", USAGE_EVERY):
            self._safely("usage", self._note_usage)
        if self._standing.answers and self._is_time("reservations", RESERVATIONS_EVERY):
            live = {submission_id(job.id, job.attempt) for job in self._holding()}
            self._safely("reservations", partial(self._reservations.look, live))
        if self._is_time("sweep", SWEEP_EVERY):
            self._safely("sweep", self._sweeper.sweep)
            self._safely("tidy", self._tidier.tidy)
        if self._is_time("unfinished", GIVE_UP_WRITES_EVERY):
            self._safely("unfinished", self._give_up_writes)
        if self._is_time("claims", FORGET_CLAIMS_EVERY):
            before = self.attendant.clock() - CLAIMS_LAST
            self._safely("claims", partial(self.attendant.store.forget_claims, before))

    def _note_progress(self) -> None:
        for job in self._holding():
            if job.state is State.RUNNING:
                self._safely_with(job, partial(self.attendant.note_progress, job))

    def _note_usage(self) -> None:
        """Nothing, while it is not known how large the cluster is."""
        if capacity := self._standing.capacity:
            shares = fair.shares(self._holding(), fair.whole(capacity))
            self._usage.note(shares, self.attendant.clock())

    def _give_up_writes(self) -> None:
        self.attendant.objects.sweep(WRITES_LAST)

    def _holding(self) -> list[Job]:
        return [held.job for held in self.attendant.store.holding()]

    def _live(self) -> list[Live]:
        found = []
        for job in self._holding():
            life = self.attendant.lookout.signs.known(job)
            first = life.first if life else None
            beat = first.beat if first else None
            found.append(Live(job, beat, first.silent if first and beat else None))
        return found

    def _is_time(self, what: str, every: timedelta) -> bool:
        now = self.attendant.clock()
        if what in self._last and now - self._last[what] < every:
            return False
        self._last[what] = now
        return True

    def _safely_with(self, job: Job, do: Callable[[], None]) -> None:
        """The same; whatever is logged meanwhile names the job and its attempt."""
        with bound_contextvars(job=job.id, attempt=job.attempt):
            self._safely(job.id, do, about="job")

    def _safely(self, part: str, do: Callable[[], None], *, about: str | None = None) -> None:
        """Do it; a failure is logged, once as long as it stays the same, and ends nothing else. `about`
        is what it is counted as, if not as `part`."""
        try:
            do()
        except Conflict:
            return  # a job moved meanwhile; the next tick sees how
        except Exception as error:  # noqa: BLE001 - one broken part must not stop all jobs
            self.instruments.troubles.labels(about or part).inc()
            if self._troubles.get(part) != repr(error):
                self._troubles[part] = repr(error)
                is_known = isinstance(error, AWAY)
                structlog.get_logger().warning(
                    "reconcile_failed", part=part, error=repr(error), exc_info=not is_known
                )
        else:
            self._troubles.pop(part, None)
