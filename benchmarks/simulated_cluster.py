"""A cluster of many nodes on a clock that is turned, and attempts that last as long as they are to. Used by
`simulation`, beside the real reconciler, database and object store."""

from collections import deque
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from service.cluster.cluster import Capacity, Node, Sighting
from tests.jobs.making import begin, point
from trainer.contract import attempts, layout
from trainer.contract.attempts import Best, Heartbeat, Order, Outcome
from trainer.contract.objects.store import ObjectStore

REPORT_LAGS = timedelta(seconds=4)
"""How old the free CPUs and GPUs are that Ray tells."""
STARTS_WITHIN = timedelta(seconds=6)
"""From the placing of workers to the attempt's first sign."""
BEATS_EVERY = timedelta(seconds=15)
GPUS, CPUS = 8.0, 64.0
"""Of each node."""
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class Attempt:
    job_id: str
    number: int
    workers: int
    placed: dict[int, int] | None = None
    """Node → workers; None: it waits for room."""
    placed_at: datetime = NEVER
    begun: bool = False
    ended: bool = False
    beat_at: datetime = NEVER
    beats: int = 0


@dataclass
class SimulatedCluster:
    """Implements `Cluster`. A gang is placed whole or waits, as Ray's placement groups do."""

    nodes: int
    objects: ObjectStore
    clock: Callable[[], datetime]
    lasts: Callable[[str], timedelta]
    """How long a job trains."""
    attempts: dict[str, Attempt] = field(default_factory=dict)
    free: list[float] = field(default_factory=list)
    """GPUs on each node."""
    late: int = 0
    """Submissions for which there was no room at once though they had been admitted."""
    _reports: deque[tuple[datetime, list[float]]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.free = [GPUS] * self.nodes

    @property
    def used(self) -> float:
        return self.nodes * GPUS - sum(self.free)

    def submit(self, submission_id: str, entrypoint: str) -> None:
        if submission_id in self.attempts:
            return
        job_id, _, number = submission_id.rpartition("-")
        order = attempts.read(self.objects, layout.order(job_id, int(number)), Order)
        assert order is not None, "an attempt is ordered before it is submitted"
        made = Attempt(job_id, int(number), order.spec.workers)
        self.attempts[submission_id] = made
        self._place(made)
        self.late += made.placed is None

    def sighting(self, submission_id: str) -> Sighting:
        found = self.attempts.get(submission_id)
        if found is None:
            return Sighting.MISSING
        if found.ended:
            return Sighting.ENDED
        return Sighting.RUNNING if found.begun else Sighting.PENDING

    def stop(self, submission_id: str) -> None:
        if found := self.attempts.get(submission_id):
            self._end(found)

    def capacity(self) -> Capacity:
        """As Ray saw it some seconds ago."""
        shown = self._reports[0][1] if self._reports else self.free
        return Capacity(
            tuple(
                Node(f"node-{n}", f"10.0.0.{n}", CPUS, GPUS, CPUS / GPUS * free, free)
                for n, free in enumerate(shown)
            )
        )

    def abandoned(self, *, but: AbstractSet[str]) -> frozenset[str]:
        """It forgets nothing."""
        return frozenset()

    def go_on(self) -> None:
        """Whatever is due by now: placed, begun, still alive, done."""
        now = self.clock()
        self._reports.append((now, list(self.free)))
        while self._reports[0][0] < now - REPORT_LAGS:
            self._reports.popleft()
        for one in self.attempts.values():
            if one.ended:
                continue
            if one.placed is None:
                self._place(one)
            elif not one.begun and now >= one.placed_at + STARTS_WITHIN:
                begin(self.objects, one.job_id, one.number)
                one.begun = True
            elif one.begun and now >= one.placed_at + STARTS_WITHIN + self.lasts(one.job_id):
                self._succeed(one)
            elif one.begun and now >= one.beat_at + BEATS_EVERY:
                self._beat(one, now)

    def _place(self, one: Attempt) -> None:
        """On the fullest nodes that have room, so that whole ones stay free."""
        left, chosen = one.workers, {}
        for node in sorted(range(self.nodes), key=lambda n: self.free[n]):
            here = min(left, int(self.free[node]))
            if here:
                chosen[node] = here
                left -= here
        if left:
            return
        for node, workers in chosen.items():
            self.free[node] -= workers
        one.placed, one.placed_at = chosen, self.clock()

    def _end(self, one: Attempt) -> None:
        for node, workers in ({} if one.ended else one.placed or {}).items():
            self.free[node] += workers
        one.ended = True

    def _succeed(self, one: Attempt) -> None:
        final = point(1, "val")
        best = Best(attempt=one.number, step=1, metrics=final)
        done = Outcome(
            job_id=one.job_id,
            attempt=one.number,
            status="succeeded",
            final=final,
            best=best,
            at=self.clock(),
        )
        attempts.commit_outcome(self.objects, done)
        self._end(one)

    def _beat(self, one: Attempt, now: datetime) -> None:
        one.beat_at, one.beats = now, one.beats + 1
        for who in ("driver", "0"):
            sign = Heartbeat(number=one.beats, step=1, at=now)
            key = layout.heartbeat(one.job_id, one.number, who)
            self.objects.put(key, sign.model_dump_json().encode())
