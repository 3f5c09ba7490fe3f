"""A cluster that a test moves by hand, and a reconciler that can die at any of its acts."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import wraps
from typing import Any

from sqlalchemy import Engine

from service.cluster.cluster import Capacity, Node, Sighting
from service.db.leases import Leases
from service.errors import ClusterUnavailable
from service.jobs.history import History
from service.jobs.service import Jobs
from service.jobs.store import JobStore
from service.lifecycle import Job, State
from service.models.store import ModelStore
from service.reconcile.attend import Attendant
from service.reconcile.lease import WHO
from service.reconcile.loop import LEASE_LASTS, Reconciler
from service.sweeps.ending import Endings
from service.sweeps.store import TrialStore
from tests.jobs.making import Clock, begin, heed, job, measure, point, succeed
from trainer.contract import attempts, layout
from trainer.contract.attempts import Best, Halt, Heartbeat, Outcome
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.names import submission_id
from trainer.contract.objects.local import LocalStore

STORAGE_URL = "file:///a folder"


@dataclass
class FakeCluster:
    """Implements `Cluster`. Submissions change only when a test says so."""

    cpus: float = 4
    used: float = 0
    """CPUs that Ray reports as used."""
    submissions: dict[str, Sighting] = field(default_factory=dict)
    entrypoints: dict[str, str] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    """Every submission that was started, in order: a second start would be here twice."""
    stops: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    """Placement groups, and the submission each is of."""
    silent: bool = False
    questions: int = 0

    def submit(self, submission_id: str, entrypoint: str) -> None:
        self._answer()
        if submission_id not in self.submissions:
            self.submissions[submission_id] = Sighting.PENDING
            self.entrypoints[submission_id] = entrypoint
            self.starts.append(submission_id)

    def sighting(self, submission_id: str) -> Sighting:
        self.questions += 1
        if self.silent:
            return Sighting.UNKNOWN
        return self.submissions.get(submission_id, Sighting.MISSING)

    def stop(self, submission_id: str) -> None:
        self._answer()
        self.stops.append(submission_id)
        if self.submissions.get(submission_id) is Sighting.RUNNING:  # Ray forgets it for others
            self.submissions[submission_id] = Sighting.ENDED

    def capacity(self) -> Capacity:
        self._answer()
        node = Node("n", "127.0.0.1", self.cpus, 0, self.cpus - self.used, 0)
        return Capacity((node,))

    def abandoned(self, *, but: AbstractSet[str]) -> frozenset[str]:
        self._answer()
        return frozenset(group for group, of in self.kept.items() if of not in but)

    def _answer(self) -> None:
        self.questions += 1
        if self.silent:
            raise ClusterUnavailable("Ray does not answer.")


class Died(BaseException):
    """The program was killed. No handler of the program sees it."""


@dataclass
class Fuse:
    """Kills the program before or after the act at which it burns."""

    burns_at: int | None = None
    passed: int = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed == self.burns_at:
            raise Died


class Fused:
    """`target`, with a fuse before and after each of the named calls."""

    def __init__(self, target: object, fuse: Fuse, names: Sequence[str]) -> None:
        self._target, self._fuse, self._names = target, fuse, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name not in self._names:
            return found

        @wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.point()
            answer = found(*args, **kwargs)
            self._fuse.point()
            return answer

        return call


@dataclass(frozen=True)
class Quota:
    cpus: float | None = None
    gpus: float | None = None


@dataclass
class World:
    """One database, one store and one cluster, and the reconciler that works on them now."""

    engine: Engine
    objects: LocalStore
    clock: Clock = field(default_factory=Clock)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    registered: list[tuple[str, Best]] = field(default_factory=list)
    deployed: list[tuple[str, str]] = field(default_factory=list)
    """Project and model."""
    also: Sequence[Callable[[], None]] = ()
    quotas: dict[str, Quota] = field(default_factory=dict)
    """By project."""
    reconcilers: int = 0
    beats: int = 0

    def __post_init__(self) -> None:
        self.store = JobStore(self.engine)
        self.reconciler = self.restart()
        self.jobs = Jobs(
            self.store,
            self.objects,
            self.capacity,
            self.clock,
            lambda: "unused",
            ModelStore(self.engine),
        )

    def capacity(self) -> Capacity | None:
        return self.reconciler.capacity()

    def restart(self, fuse: Fuse | None = None) -> Reconciler:
        """A new program, when the old one's lease has run out."""
        fuse = fuse or Fuse()
        self.reconcilers += 1
        self.clock.turn(LEASE_LASTS.total_seconds())
        store: Any = Fused(self.store, fuse, ["save", "mark_submitted", "set_reasons", "swept"])
        objects: Any = Fused(self.objects, fuse, ["put", "create", "delete"])
        cluster: Any = Fused(self.cluster, fuse, ["submit", "stop"])
        registry: Any = Fused(self, fuse, ["register"])
        self.reconciler = Reconciler(
            Attendant(
                store=store,
                objects=objects,
                history=History(self.objects),
                cluster=cluster,
                register=registry.register,
                deploy=lambda project, name: self.deployed.append((project, name)),
                conclude=Endings(
                    TrialStore(self.engine),
                    History(self.objects),
                    self.evaluation,
                ).conclude,
                clock=self.clock,
                storage_url=STORAGE_URL,
            ),
            Leases(self.engine),
            holder=f"program-{self.reconcilers}",
            also=self.also,
            quotas=self.quotas.get,
        )
        return self.reconciler

    def evaluation(self, sweep: Job, spec: ResolvedEvaluation) -> Job:
        return self.jobs.evaluation(sweep, spec)

    def register(self, made: Job, best: Best, name: str) -> None:
        if (made.id, best) not in self.registered:
            self.registered.append((made.id, best))

    def submit(self, number: int = 1, *, project: str = "default", **fields: Any) -> Job:
        now = self.clock()
        made = replace(job(number, **fields), project=project, created_at=now, changed_at=now)
        self.store.insert(made)
        return made

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.turn(0.5)
            self.reconciler.tick()

    def see(self, found: Job) -> Job:
        return self.jobs.get(found.project, found.id)

    def state(self, found: Job) -> State:
        return self.see(found).state

    def run(self, found: Job) -> Job:
        """Let the newest attempt of a queued job begin, and the reconciler see it."""
        self.tick()
        now = self.see(found)
        self.cluster.submissions[submission_id(now.id, now.attempt)] = Sighting.RUNNING
        earlier = now.attempt - 1
        begin(self.objects, now.id, now.attempt, step=5 * earlier, of=earlier or None)
        self.tick()
        return self.see(found)

    def end(self, found: Job) -> None:
        """The newest attempt's process is over."""
        self.cluster.submissions[submission_id(found.id, found.attempt)] = Sighting.ENDED

    def beat(self, found: Job, *who: str, ended: bool = False) -> None:
        """The driver ("driver") or the first worker ("0") of the newest attempt gives a sign of life."""
        self.beats += 1
        for one in who or WHO:
            sign = Heartbeat(number=self.beats, step=1, ended=ended, at=self.clock())
            key = layout.heartbeat(found.id, self.see(found).attempt, one)
            self.objects.put(key, sign.model_dump_json().encode())

    def pass_time(self, seconds: float, living: Job) -> Job:
        """Time goes by, in which `living` gives its signs of life."""
        until = self.clock() + timedelta(seconds=seconds)
        while self.clock() < until:
            self.beat(living)
            self.tick()
        return self.see(living)

    def wish(self, found: Job) -> Halt | None:
        """What its newest attempt was asked."""
        attempt = self.see(found).attempt
        return attempts.read(self.objects, layout.halt(found.id, attempt), Halt)

    def train(self) -> None:
        """Every submission goes one step on: it begins, then succeeds or heeds a wish, then ends."""
        for submission, sighting in list(self.cluster.submissions.items()):
            job_id, _, number = submission.rpartition("-")
            match sighting:
                case Sighting.PENDING:
                    self._begin(submission, job_id, int(number))
                case Sighting.RUNNING:
                    self._end(job_id, int(number))
                    self.cluster.submissions[submission] = Sighting.ENDED
                case _:
                    pass

    def _begin(self, submission: str, job_id: str, attempt: int) -> None:
        """As a real one does: one that was given up before it began does not begin."""
        if attempts.read(self.objects, layout.outcome(job_id, attempt), Outcome):
            self.cluster.submissions[submission] = Sighting.ENDED
            return
        self.cluster.submissions[submission] = Sighting.RUNNING
        begin(self.objects, job_id, attempt)
        measure(self.objects, job_id, attempt, [point(1)])

    def _end(self, job_id: str, attempt: int) -> None:
        if wish := attempts.read(self.objects, layout.halt(job_id, attempt), Halt):
            heed(self.objects, wish)
        else:
            succeed(self.objects, job_id, attempt)
