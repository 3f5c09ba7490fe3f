"""What can be done with jobs. Routes call it; the reconciler carries out what it decides."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from service.cluster.cluster import Capacity
from service.errors import (
    AlreadyTaken,
    ClusterUnavailable,
    Conflict,
    IdempotencyMismatch,
    Invalid,
    NotFound,
)
from service.jobs import fit, plan, resolving
from service.jobs.history import History
from service.jobs.plan import Plan
from service.jobs.resolving import Decided, Registry
from service.jobs.rows import Event
from service.jobs.store import Claim, Filter, JobStore, Page
from service.lifecycle import Job, State, advance
from trainer.contract import layout
from trainer.contract.analysis import Analysis
from trainer.contract.attempts import LogLine, MetricPoint, Split
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.kinds import JobSpec
from trainer.contract.manifest import FileEntry
from trainer.contract.names import NAME_PATTERN
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.reasons import Code, reason

CLAIMS_LAST = timedelta(hours=24)
"""How long an idempotency key is remembered."""

LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Jobs:
    """What can be done with jobs. Knows no HTTP, no SQL and no Ray."""

    store: JobStore
    objects: ObjectStore
    capacity: Callable[[], Capacity | None]
    """What the cluster was last seen to have; None while it never answered. Asks nobody."""
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    registry: Registry
    """The models that evaluations may name."""
    history: History = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "history", History(self.objects))

    def plan(self, project: str, spec: JobSpec) -> Plan:
        """What the job would be, and what would keep it from starting. Raises Invalid."""
        return plan.make(self._decide(project, spec), self.capacity())

    def create(
        self,
        project: str,
        spec: JobSpec,
        *,
        idempotency_key: str | None = None,
        body_sha256: str = "",
    ) -> tuple[Job, bool]:
        """The job as first answered, and whether that was an earlier request with the same key.
        Raises Invalid, or IdempotencyMismatch when the key was used with another body."""
        if idempotency_key is None:
            job = self._new(project, spec)
            self.store.insert(job)
            return job, False
        claim = Claim(idempotency_key, body_sha256)
        if first := self._replay(project, claim):
            return first, True
        job = self._new(project, spec)
        self.store.forget_claims(job.created_at - CLAIMS_LAST, of=(project, claim.key))
        try:
            self.store.insert(job, claim)
        except AlreadyTaken:  # the same request, a moment earlier
            if first := self._replay(project, claim):
                return first, True
            raise
        return job, False

    def get(self, project: str, job_id: str) -> Job:
        """Raises NotFound, also for another project's job."""
        job = self.store.get(project, job_id) if re.fullmatch(NAME_PATTERN, job_id) else None
        if job is None:
            raise NotFound("There is no such job; GET /jobs lists yours.")
        return job

    def page(  # noqa: PLR0913 - one parameter for each of the query's
        self,
        project: str,
        *,
        state: State | None = None,
        kind: str | None = None,
        label: tuple[str, str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """A project's jobs, newest first; `label` is a key with its value."""
        if cursor is not None and not re.fullmatch(NAME_PATTERN, cursor):
            raise Invalid("Give a next_cursor of an earlier page, or none.", field="cursor")
        if label and "\0" in "".join(label):
            raise Invalid("A label cannot contain the character NUL.", field="label")
        return self.store.page(project, Filter(state, kind, label), limit=limit, cursor=cursor)

    def cancel(self, project: str, job_id: str) -> Job:
        """Ask a job to stop; nothing happens when it is being cancelled. Raises IllegalTransition
        when it has ended."""
        while True:
            job = self.get(project, job_id)
            if job.state is State.CANCELLING:
                return job
            why = reason(Code.CANCELLED_BY_USER, "It was cancelled on request.")
            asked = advance(job, State.CANCELLING, at=self.clock(), reason=why)
            try:
                self.store.save(asked, was=job)
            except Conflict:
                continue  # it moved on; look again
            # Of an attempt something may still run: then the reconciler ends the job.
            return asked if job.attempt else self._end_unstarted(asked)

    def events(self, project: str, job_id: str) -> list[Event]:
        return self.store.events(self.get(project, job_id).id)

    def metrics(
        self, project: str, job_id: str, *, since_step: int = 0, split: Split | None = None
    ) -> list[MetricPoint]:
        """Points of `since_step` and later over all attempts: each (step, split) once, by step,
        `train` before `val`."""
        job = self.get(project, job_id)
        return self.history.metrics(job.id, job.attempt, since_step=since_step, split=split)

    def logs(  # noqa: PLR0913 - one parameter for each of the query's
        self,
        project: str,
        job_id: str,
        *,
        attempt: int | None = None,
        rank: str | None = None,
        level: str | None = None,
        q: str | None = None,
    ) -> list[LogLine]:
        """Lines of all attempts in turn, each attempt's by time. `level` is the least severe that is
        wanted; `q` is part of the message, in whatever case."""
        job = self.get(project, job_id)
        wanted = LEVELS[LEVELS.index(level) :] if level in LEVELS else LEVELS
        return [
            line
            for number in range(1, job.attempt + 1)
            if attempt in (None, number)
            for line in self.history.logs(job.id, number)
            if rank in (None, line.rank)
            and line.level in wanted
            and (q or "").casefold() in line.message.casefold()
        ]

    def checkpoints(self, project: str, job_id: str) -> list[Checkpoint]:
        """Those that can be used, lowest step first; a step has one at most."""
        job = self.get(project, job_id)
        return self.history.checkpoints(job.id, job.attempt)

    def checkpoint_file(
        self, project: str, job_id: str, step: int, name: str
    ) -> tuple[FileEntry, Iterator[bytes]]:
        """A file of a listed checkpoint: what it is, and its bytes in pieces. Raises NotFound."""
        for found in self.checkpoints(project, job_id):
            for entry in found.manifest.files:
                if found.meta.step == step and entry.name == name:
                    return entry, self.objects.stream(f"{found.prefix}/{name}")
        raise NotFound(
            f"There is no such file; GET /jobs/{job_id}/checkpoints lists those that there are."
        )

    def analysis(self, project: str, job_id: str) -> Analysis:
        """An evaluation's analysis. Raises NotFound while there is none."""
        return Analysis.model_validate_json(self._analysed(project, job_id, layout.analysis))

    def analysis_picture(self, project: str, job_id: str) -> bytes:
        """The same as PNG. Raises NotFound while there is none."""
        return self._analysed(project, job_id, layout.analysis_picture)

    def _analysed(self, project: str, job_id: str, key: Callable[[str, int], str]) -> bytes:
        job = self.get(project, job_id)
        if not (isinstance(job.spec, ResolvedEvaluation) and job.spec.analyse):
            raise NotFound(
                f"Job {job.id} was not asked for an analysis; submit an evaluation with 'analyse': true."
            )
        try:
            return self.objects.get(key(job.id, job.attempt))
        except NoSuchObject as error:
            raise NotFound(
                f"Job {job.id} is {job.state} and has no analysis (yet); it is written when the images "
                "are counted."
            ) from error

    def _end_unstarted(self, job: Job) -> Job:
        ended = advance(job, State.CANCELLED, at=job.changed_at, reason=job.reason)
        try:
            self.store.save(ended, was=job)
        except Conflict:  # the reconciler was faster
            return self.get(job.project, job.id)
        return ended

    def _replay(self, project: str, claim: Claim) -> Job | None:
        """The first answer to the key, if it has one. Raises IdempotencyMismatch."""
        claimed = self.store.claimed(project, claim.key, since=self.clock() - CLAIMS_LAST)
        if claimed and claimed.body_sha256 != claim.body_sha256:
            raise IdempotencyMismatch(
                f"The idempotency key was used with another body, for job {claimed.job.id}; "
                "use a new key for a new job."
            )
        return claimed.job if claimed else None

    def _new(self, project: str, spec: JobSpec) -> Job:
        resolved, now = self._decide(project, spec).spec, self.clock()
        return Job(
            id=self.new_id(),
            project=project,
            spec=resolved,
            state=State.QUEUED,
            reason=fit.first_reason(resolved, self.capacity()),
            attempt=0,
            retries=0,
            created_at=now,
            changed_at=now,
        )

    def _decide(self, project: str, spec: JobSpec) -> Decided:
        return resolving.decide(spec, project, self.registry, gpus=self._gpus(spec))

    def _gpus(self, spec: JobSpec) -> int:
        """GPUs that the defaults are chosen for."""
        capacity = self.capacity()
        if capacity is not None:
            return int(capacity.gpus)
        if spec.gpus_per_worker is None or (spec.gpus_per_worker and spec.workers is None):
            raise ClusterUnavailable(
                "The cluster has not answered yet, so whether to use its GPUs is not known; ask again "
                "in a moment, or give 'workers' and 'gpus_per_worker'."
            )
        return 0
