"""What the drivers of a fake cluster's submissions would do, one act at a time. Knows the contract of
attempts only (`trainer.contract`); the machine decides who does what when."""

from dataclasses import dataclass, field
from pathlib import Path

from service.cluster.cluster import Sighting
from tests.jobs.making import Clock, checkpoint_meta, point
from tests.reconcile.world import FakeCluster
from trainer.contract import attempts, layout, manifest
from trainer.contract.attempts import Best, Halt, Heartbeat, Order, Outcome, Started
from trainer.contract.journal import JournalWriter
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import Code, reason
from trainer.contract.spec import ResolvedSpec

ALIVE = (Sighting.PENDING, Sighting.RUNNING)


@dataclass
class Run:
    """A submission that began."""

    order: Order
    step: int
    """Optimizer steps that are done."""
    beats: int = 0
    journal: JournalWriter | None = None

    @property
    def spec(self) -> ResolvedSpec:
        assert isinstance(self.order.spec, ResolvedSpec)
        return self.order.spec


@dataclass
class Attempts:
    """Every attempt that the cluster was given, and what it has done."""

    cluster: FakeCluster
    objects: ObjectStore
    clock: Clock
    folder: Path
    runs: dict[str, Run] = field(default_factory=dict)
    committed: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    """(job, attempt) → the outcome that stood when the attempt wanted to commit its own."""
    kept: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Job → (attempt, step) of its checkpoints."""

    def alive(self) -> list[str]:
        return [name for name, seen in self.cluster.submissions.items() if seen in ALIVE]

    def begin(self, submission: str) -> None:
        """The driver starts, from the newest checkpoint of the attempts that its order names."""
        if submission in self.runs:
            return
        self.cluster.submissions[submission] = Sighting.RUNNING
        job_id, _, number = submission.rpartition("-")
        order = attempts.read(self.objects, layout.order(job_id, int(number)), Order)
        assert order is not None, "submitted without an order"
        left = [one for one in self.kept.get(job_id, []) if one[0] in order.resume_attempts]
        of, step = max(left, key=lambda one: (one[1], one[0]), default=(None, 0))
        journal = JournalWriter(self.objects, layout.metrics(job_id, order.attempt))
        self.runs[submission] = Run(order, step, journal=journal)
        started = Started(
            job_id=job_id,
            attempt=order.attempt,
            resumed_step=step,
            resumed_attempt=of,
            device="cpu",
            precision="fp32",
            channels_last=False,
            versions={},
            at=self.clock(),
        )
        self._put(layout.started(job_id, order.attempt), started)
        self.beat(submission)

    def beat(self, submission: str, *, ended: bool = False) -> None:
        """Its driver and its first worker give a sign of life; `ended`: the last one."""
        run = self.runs[submission]
        run.beats += 1
        sign = Heartbeat(number=run.beats, step=run.step, ended=ended, at=self.clock())
        for who in ("driver", "0"):
            self._put(layout.heartbeat(run.order.job_id, run.order.attempt, who), sign)

    def step(self, submission: str) -> None:
        """An epoch more, with its checkpoint; or what it was asked: to end before that."""
        self.begin(submission)
        run = self.runs[submission]
        if halt := self._halt(run.order):
            self._keep(run)
            self._end(submission, self._outcome(run, "halted", why=halt.reason.code))
            return
        for _ in range(min(run.spec.steps_per_epoch, run.spec.iterations - run.step)):
            run.step += 1
            assert run.journal is not None
            run.journal.append([point(run.step).model_dump(mode="json")])
        self._keep(run)
        if run.step >= run.spec.iterations:
            self.succeed(submission)

    def succeed(self, submission: str) -> None:
        run = self.runs[submission]
        final = point(max(1, run.step), "val")
        best = Best(attempt=run.order.attempt, step=max(1, run.step), metrics=final)
        done = self._outcome(run, "succeeded").model_copy(update={"final": final, "best": best})
        self._end(submission, done)

    def fail(self, submission: str, code: Code) -> None:
        self.begin(submission)
        self._end(submission, self._outcome(self.runs[submission], "failed", why=code))

    def vanish(self, submission: str) -> None:
        """Its processes are killed, and it says nothing."""
        self.cluster.submissions[submission] = Sighting.ENDED

    def _halt(self, order: Order) -> Halt | None:
        return attempts.read(self.objects, layout.halt(order.job_id, order.attempt), Halt)

    def _keep(self, run: Run) -> None:
        order, made = run.order, self.kept.setdefault(run.order.job_id, [])
        if run.step == 0 or (order.attempt, run.step) in made:
            return
        file = self.folder / "model.safetensors"
        file.write_bytes(b"weights")
        prefix = layout.checkpoint(order.job_id, order.attempt, run.step)
        meta = checkpoint_meta(order.job_id, order.attempt, run.step).model_dump(mode="json")
        manifest.commit(self.objects, prefix, {file.name: file}, meta, at=self.clock())
        made.append((order.attempt, run.step))

    def _outcome(self, run: Run, status: str, *, why: Code | None = None) -> Outcome:
        said = reason(why, "The test wanted it.") if why else None
        made = {"job_id": run.order.job_id, "attempt": run.order.attempt, "at": self.clock()}
        return Outcome.model_validate(made | {"status": status, "reason": said})

    def _end(self, submission: str, outcome: Outcome) -> None:
        """Commit, say goodbye, exit."""
        stands = attempts.commit_outcome(self.objects, outcome)
        self.committed[outcome.job_id, outcome.attempt] = stands
        self.beat(submission, ended=True)
        self.cluster.submissions[submission] = Sighting.ENDED

    def _put(self, key: str, document: Started | Heartbeat) -> None:
        self.objects.put(key, document.model_dump_json().encode())
