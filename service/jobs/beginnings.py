"""The weights that a training may begin with: a registered model's, or those of a job's checkpoint. Used by
`resolving`."""

from collections.abc import Callable
from dataclasses import dataclass

from service.errors import Invalid, NotFound
from service.jobs.registered import Registry, find
from trainer.contract import layout
from trainer.contract.checkpoints import Checkpoint, CheckpointMeta
from trainer.contract.evaluation import ModelRef
from trainer.contract.spec import StartFrom

FIELD = "start_from"


@dataclass(frozen=True)
class Beginning:
    """Weights that there are."""

    name: str
    """Whose they are, in words."""
    prefix: str
    meta: CheckpointMeta


@dataclass(frozen=True)
class Beginnings:
    """Of every project."""

    registry: Registry
    checkpoints: Callable[[str, str], list[Checkpoint]]
    """A project's job's, by its id, lowest step first. Raises NotFound."""

    def find(self, project: str, asked: StartFrom) -> Beginning:
        """Raises Invalid."""
        if asked.model is not None:
            wanted = ModelRef(model=asked.model, version=asked.version)
            found = find(wanted, FIELD, project, self.registry)
            prefix = layout.model_version(project, found.name, found.version)
            return Beginning(f"{found.name}:{found.version}", prefix, found.meta)
        if asked.checkpoint is not None:
            job, step = asked.checkpoint.job, asked.checkpoint.step
            kept = {each.meta.step: each for each in self._of_job(project, job)}
            if step not in kept:
                raise Invalid(
                    f"Job {job} has no checkpoint of step {step}; it has those of the steps "
                    f"{', '.join(map(str, kept))}.",
                    field=FIELD,
                )
            return _of(kept[step])
        return _of(_best(self._of_job(project, str(asked.job))))

    def _of_job(self, project: str, job: str) -> list[Checkpoint]:
        try:
            kept = self.checkpoints(project, job)
        except NotFound as error:
            raise Invalid(
                f"There is no job '{job}'; GET /jobs lists yours.", field=FIELD
            ) from error
        if not kept:
            raise Invalid(f"Job {job} has no checkpoint (yet).", field=FIELD)
        return kept


def _of(found: Checkpoint) -> Beginning:
    return Beginning(f"step {found.meta.step} of {found.meta.job_id}", found.prefix, found.meta)


def _best(kept: list[Checkpoint]) -> Checkpoint:
    """The one with the lowest error on the validation images; the newest where none was evaluated."""
    scored = [(each.meta.metrics.top1_error, each) for each in kept if each.meta.metrics]
    return min(scored, key=lambda pair: pair[0])[1] if scored else kept[-1]
