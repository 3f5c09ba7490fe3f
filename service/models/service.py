"""The registry: immutable versions of models, made of checkpoints, and aliases that name them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from service.errors import AlreadyTaken, Conflict, NotFound
from service.jobs.service import Jobs
from service.lifecycle import Job
from service.models.registrar import Registrar
from service.models.store import ModelStore, ModelVersion
from trainer.contract import layout
from trainer.contract.attempts import Best
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.manifest import MANIFEST, Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore


@dataclass(frozen=True)
class Model:
    """A model with those of its versions that were asked for, newest first."""

    name: str
    versions: list[ModelVersion]
    aliases: dict[str, int]


@dataclass(frozen=True)
class Models:
    """What can be done with models. Knows no HTTP, no SQL and no torch."""

    store: ModelStore
    objects: ObjectStore
    jobs: Jobs
    clock: Callable[[], datetime]

    @property
    def registrar(self) -> Registrar:
        return Registrar(self.store, self.objects, self.clock)

    def register(
        self, project: str, name: str, job_id: str, *, step: int | None = None
    ) -> ModelVersion:
        """A new version of a job's checkpoint at `step`, or of its best one."""
        job = self.jobs.get(project, job_id)
        listed = self.jobs.records.checkpoints(project, job_id)
        chosen = _named(job, listed, step) if step else _best(job, listed)
        try:
            return self.registrar.make(project, name, chosen)
        except Damaged as error:
            raise Conflict(
                f"The checkpoint of step {chosen.meta.step} cannot be used: {error}. Name another "
                f"one of GET /jobs/{job_id}/checkpoints."
            ) from error

    def register_result(self, job: Job, best: Best, name: str) -> None:
        """Register a job's best checkpoint as a version of `name`; a second call does nothing."""
        prefix = layout.checkpoint(job.id, best.attempt, best.step)
        try:
            self.registrar.once(job.project, name, prefix)
        except (Damaged, NoSuchObject, AlreadyTaken) as error:
            # Trying again cannot mend it, and the job itself did what was asked.
            structlog.get_logger().error("not_registered", job=job.id, model=name, why=str(error))

    def version(self, project: str, name: str, number: int) -> ModelVersion:
        """Raises NotFound, which names the versions that there are."""
        found = self.store.version(project, name, number)
        if found is None:
            has = ", ".join(str(made.version) for made in self.get(project, name).versions[:10])
            raise NotFound(f"Model '{name}' has no version {number}; it has {has}.")
        return found

    def get(self, project: str, name: str) -> Model:
        """A model with all its versions. Raises NotFound."""
        versions = self.store.versions(project, name)
        if not versions:
            raise NotFound(
                f"There is no model '{name}'; GET /models lists yours, POST /models makes one."
            )
        return Model(name, versions, self.store.aliases(project, [name]).get(name, {}))

    def page(
        self, project: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Model], str | None]:
        """Models by name, each with its newest version, and the cursor of the next page."""
        newest = self.store.newest(project, limit=limit + 1, after=cursor or "")
        shown = newest[:limit]
        aliases = self.store.aliases(project, [made.name for made in shown])
        models = [Model(made.name, [made], aliases.get(made.name, {})) for made in shown]
        return models, shown[-1].name if len(newest) > limit else None

    def aliased(self, project: str, name: str, alias: str) -> int:
        """The version that `alias` means now. Raises NotFound."""
        model = self.get(project, name)
        if alias not in model.aliases:
            has = ", ".join(model.aliases) or "none yet"
            raise NotFound(
                f"Model '{name}' has no alias '{alias}' (it has: {has}); "
                f"PUT /models/{name}/aliases/{alias} makes it."
            )
        return model.aliases[alias]

    def point(self, project: str, name: str, alias: str, number: int) -> Model:
        """Let `alias` mean version `number`; a deployment by alias follows. Raises NotFound."""
        self.version(project, name, number)
        self.store.point(project, name, alias, number, self.clock())
        return self.get(project, name)

    def drop_alias(self, project: str, name: str, alias: str) -> None:
        """Raises NotFound, or Conflict while a deployment follows the alias."""
        self.aliased(project, name, alias)
        if not self.store.drop_alias(project, name, alias):
            raise Conflict(
                f"The deployment of '{name}' follows the alias '{alias}'; "
                f"PUT /models/{name}/deployment with a version first."
            )

    def delete(self, project: str, name: str, number: int) -> None:
        """Delete a version and its objects; its number is not used again. Raises Conflict."""
        self.version(project, name, number)
        if not self.store.delete_unused(project, name, number):
            raise Conflict(
                f"Version {number} of '{name}' is deployed, itself or in an ensemble, or has an alias; "
                "deploy another version and move the alias first."
            )
        prefix = layout.model_version(project, name, number)
        claim = layout.model_claim(project, name, number)
        self.objects.delete(f"{prefix}/{MANIFEST}")  # first: what has no manifest is not there
        for found in list(self.objects.list(f"{prefix}/")):
            if found.key != claim:
                self.objects.delete(found.key)


def _best(job: Job, listed: list[Checkpoint]) -> Checkpoint:
    """The checkpoint with the lowest validation error, the earliest of equals."""
    measured = [
        (found.meta.metrics.top1_error, found.meta.step, index)
        for index, found in enumerate(listed)
        if found.meta.metrics is not None
    ]
    if not measured:
        raise Conflict(
            f"Job {job.id} is {job.state} and has no checkpoint with validation metrics; wait for its "
            f"first epoch, or name one of GET /jobs/{job.id}/checkpoints as 'checkpoint'."
        )
    return listed[min(measured)[2]]


def _named(job: Job, listed: list[Checkpoint], step: int) -> Checkpoint:
    for found in listed:
        if found.meta.step == step:
            return found
    steps = ", ".join(str(found.meta.step) for found in listed) or "none yet"
    raise NotFound(f"Job {job.id} has no checkpoint of step {step}; it has {steps}.")
