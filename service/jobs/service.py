"""What can be done with jobs. Routes call it; the reconciler carries out what it decides."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from service.cluster.cluster import Capacity
from service.errors import Conflict, IdempotencyMismatch, Invalid, NotFound, ServiceError
from service.jobs import control, fit, pace, plan, resolving, sweeping
from service.jobs.beginnings import Beginnings
from service.jobs.control import NO_MORE, More
from service.jobs.history import History
from service.jobs.inputs import Inputs
from service.jobs.outputs import Outputs
from service.jobs.pace import UNKNOWN
from service.jobs.plan import Plan
from service.jobs.records import Records
from service.jobs.registered import Registry
from service.jobs.resolving import Decided
from service.jobs.rows import Event
from service.jobs.store import Claim, Filter, JobStore, Page
from service.lifecycle import TERMINAL, Job, State
from trainer.contract import crashes, space
from trainer.contract.crashes import Point
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.kinds import JobSpec, Resolved
from trainer.contract.names import NAME_PATTERN
from trainer.contract.objects.store import ObjectStore
from trainer.contract.sweep import ResolvedSweep
from trainer.contract.trials import Proposal

CLAIMS_LAST = timedelta(hours=24)
"""How long an idempotency key is remembered."""

Kept = TypeVar("Kept")

MEASURED = 200
"""The newest so many trainings say how fast this cluster is."""


def unlimited(project: str) -> None:
    """A quota that every project is within."""


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
    """The models that jobs may name."""
    check_quota: Callable[[str], None] = unlimited
    """Raises QuotaExceeded when a project may have no further live job."""
    storage_url: str = ""
    """Of `objects`, as the settings have it: a request may name images by it."""
    records: Records = field(init=False)
    """What jobs left behind."""
    outputs: Outputs = field(init=False)
    """What predictions wrote."""

    def __post_init__(self) -> None:
        records = Records(self.get, self.objects, History(self.objects))
        object.__setattr__(self, "records", records)
        object.__setattr__(self, "outputs", Outputs(self.get, self.objects))

    @property
    def history(self) -> History:
        return self.records.history

    def plan(self, project: str, spec: JobSpec) -> Plan:
        """What the job would be, and what would keep it from starting. Raises Invalid."""
        measured = pace.of(self.store.measured(limit=MEASURED)) if spec.kind == "sweep" else UNKNOWN
        return plan.make(self._decide(project, spec), self.capacity(), measured)

    def create(
        self,
        project: str,
        spec: JobSpec,
        *,
        idempotency_key: str | None = None,
        body_sha256: str = "",
    ) -> tuple[Job, bool]:
        """The job as first answered, and whether that was an earlier request with the same key.
        Raises Invalid, QuotaExceeded, or IdempotencyMismatch when the key was used with another body."""
        if idempotency_key is None:
            return self._insert(project, spec), False
        claim = Claim(idempotency_key, body_sha256)
        if first := self._replay(project, claim):
            return first, True
        try:
            return self._insert(project, spec, claim), False
        except ServiceError:  # what stands in the way may be the same request, a moment earlier
            if first := self._replay(project, claim):
                return first, True
            raise

    def trial(self, sweep: Job, proposal: Proposal) -> Job:
        """The training of a sweep's point, to be kept by whoever asks. Raises Invalid, QuotaExceeded."""
        if not isinstance(sweep.spec, ResolvedSweep):
            raise TypeError(f"job {sweep.id} is no sweep")
        asked = sweeping.body(sweep.spec.base, proposal.point)
        labels = {"sweep": sweep.id, "trial": str(proposal.number)}
        named = {
            "name": space.title(proposal.point)[:200],
            "labels": sweep.spec.labels | labels,
            "priority": sweep.spec.priority,
        }
        self.check_quota(sweep.project)
        return self._new(sweep.project, asked.model_copy(update=named))

    def evaluation(self, sweep: Job, spec: ResolvedEvaluation) -> Job:
        """An evaluation that a sweep ends with, to be kept by whoever asks."""
        return self._queued(sweep.project, spec)

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

    def events(self, project: str, job_id: str) -> list[Event]:
        return self.store.events(self.get(project, job_id).id)

    def cancel(self, project: str, job_id: str) -> Job:
        """Ask a job to stop; nothing happens when it is being cancelled. Raises IllegalTransition
        when it has ended."""
        return self._ask(project, job_id, control.cancelled)

    def pause(self, project: str, job_id: str) -> Job:
        """Ask a job to keep a checkpoint and give its resources back; nothing happens when it has been
        asked before. Raises IllegalTransition when it has ended, or is being cancelled."""
        return self._ask(project, job_id, control.paused)

    def resume(self, project: str, job_id: str, more: More = NO_MORE) -> Job:
        """Let a paused or ended job go on from its last good checkpoint, with `more` to do if it is given.
        Raises IllegalTransition while it is live, QuotaExceeded, or Invalid."""

        def step(job: Job, at: datetime) -> control.Path:
            if isinstance(job.spec, ResolvedSweep):
                for point in more.points:
                    self._decide(project, sweeping.body(job.spec.base, point))
            path = control.resumed(job, at, more, reached=partial(self._reached, job))
            if job.state in TERMINAL:
                self.check_quota(project)
            return path

        return self._ask(project, job_id, step)

    def change(self, project: str, job_id: str, change: Mapping[str, Any]) -> Job:
        """Give a job another `priority`, `name` or other `labels`. Raises Invalid, or IllegalTransition
        for the priority of one that has ended."""
        resolving.check_labels(change.get("labels", {}))

        def decide(job: Job) -> Callable[[], Job]:
            return partial(self.store.amend, control.changed(job, change), was=job)

        return self._until_kept(project, job_id, decide)

    def delete(self, project: str, job_id: str) -> None:
        """Forget a job that has ended; the reconciler removes its objects. Raises IllegalTransition
        while it is live."""

        def decide(job: Job) -> Callable[[], None]:
            control.check_deletable(job, self.store.live_trials(job))
            return partial(self.store.delete, job, at=self.clock())

        self._until_kept(project, job_id, decide)
        crashes.point(Point.AFTER_DELETE)

    def _ask(self, project: str, job_id: str, step: Callable[[Job, datetime], control.Path]) -> Job:
        """The job after `step`, as it is kept."""

        def decide(job: Job) -> Callable[[], Job]:
            path = step(job, self.clock())
            if not path:
                return lambda: job
            return partial(self.store.save, path[-1], was=job, through=path[:-1])

        return self._until_kept(project, job_id, decide)

    def _until_kept(
        self, project: str, job_id: str, decide: Callable[[Job], Callable[[], Kept]]
    ) -> Kept:
        """Keep what `decide` makes of the job as it is."""
        while True:
            keep = decide(self.get(project, job_id))
            try:
                return keep()
            except Conflict:
                continue  # it moved on; look again

    def _reached(self, job: Job) -> int:
        """The step of its last good checkpoint; 0 without one."""
        found = self.records.checkpoints(job.project, job.id)
        return found[-1].meta.step if found else 0

    def _insert(self, project: str, spec: JobSpec, claim: Claim | None = None) -> Job:
        job = self._new(project, spec)
        self.check_quota(project)
        if claim:
            self.store.forget_claims(job.created_at - CLAIMS_LAST, of=(project, claim.key))
        self.store.insert(job, claim)
        crashes.point(Point.AFTER_INSERT)
        return job

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
        return self._queued(project, self._decide(project, spec).spec)

    def _queued(self, project: str, resolved: Resolved) -> Job:
        now = self.clock()
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
        capacity = self.capacity()
        return resolving.decide(
            spec,
            project,
            Beginnings(self.registry, self.records.checkpoints),
            Inputs(self.objects, self.storage_url),
            gpus=resolving.known_gpus(spec, capacity),
            rooms=fit.whole(capacity) if capacity else (),
        )
