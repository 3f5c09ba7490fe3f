"""Evaluations that come when all trainings of a sweep have ended: of all networks together (Table 5), or into
the layers of each (Fig. 7). Used by `Endings`."""

from service.lifecycle import Job
from service.sweeps.store import Trial
from trainer.contract import layout, resolve
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import (
    MAX_MODELS,
    EvaluatedModel,
    EvaluateSpec,
    ModelRef,
    ResolvedEvaluation,
)
from trainer.contract.presets import Afterwards
from trainer.contract.spec import ResolvedSpec

TOGETHER = 0
"""Stands for the number of a trial where an evaluation is of all of them."""


def wanted(sweep: Job, after: Afterwards, made: list[Trial]) -> dict[int, ResolvedEvaluation]:
    """What is to be evaluated, by the number of the trial; empty where no training succeeded."""
    best = [model for trial in made if (model := _best(trial))]
    if not best:
        return {}
    if after.kind == "ensemble":
        return {TOGETHER: _evaluation(sweep, after, best[:MAX_MODELS])}
    return {trial.number: _evaluation(sweep, after, [(trial, model)]) for trial, model in best}


def _best(trial: Trial) -> tuple[Trial, EvaluatedModel] | None:
    """The network that a training came to: the checkpoint with its lowest error."""
    job = trial.job
    if job is None or job.result is None or job.result.best is None:
        return None
    best, spec = job.result.best, job.spec
    if not isinstance(spec, ResolvedSpec):
        return None
    prefix = layout.checkpoint(job.id, best.attempt, best.step)
    return trial, EvaluatedModel(name=spec.arch, version=trial.number, prefix=prefix)


def _evaluation(
    sweep: Job, after: Afterwards, networks: list[tuple[Trial, EvaluatedModel]]
) -> ResolvedEvaluation:
    """On the workers that trained the first of them."""
    models = tuple(model for _, model in networks)
    first = networks[0][0].job
    if first is None or not isinstance(first.spec, ResolvedSpec):
        raise TypeError("a trial that succeeded has a training")
    spec = first.spec
    asked = EvaluateSpec(
        kind="evaluate",
        ensemble=tuple(ModelRef(model=model.name, version=model.version) for model in models),
        dataset=spec.dataset,
        protocol=after.protocol,
        analyse=after.kind == "analysis",
        workers=spec.workers,
        cpus_per_worker=spec.cpus_per_worker,
        gpus_per_worker=spec.gpus_per_worker,
        priority=sweep.spec.priority,
        name=f"{after.kind} of {', '.join(f'{each.name}:{each.version}' for each in models)}"[:200],
        labels=sweep.spec.labels | {"sweep": sweep.id},
    )
    return resolve.resolve_evaluation(asked, DATASETS[spec.dataset], models, gpus=0)
