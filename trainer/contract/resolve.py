"""From what a client asked to what will be done: every default is decided here, once."""

from math import ceil

from trainer.contract import recipes, suits
from trainer.contract.archs import Architecture
from trainer.contract.asked import MAX_WORKERS, Asked, WorkerRange
from trainer.contract.baselines import Baseline
from trainer.contract.datasets import DatasetInfo
from trainer.contract.evaluation import EvaluatedModel, EvaluateSpec, ResolvedEvaluation
from trainer.contract.kinds import Resolved
from trainer.contract.prediction import PREDICTION_BATCH, PredictSpec, ResolvedPrediction
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.suits import Unresolvable

EVALUATION_BATCH = 128
"""Images at once, over all workers."""


def resolve(spec: TrainSpec, dataset: DatasetInfo, *, gpus: int) -> ResolvedSpec:
    """`spec` with all defaults, on a cluster of `gpus` GPUs. Raises Unresolvable."""
    input_size = spec.input_size or dataset.input_size
    network = suits.network(spec, input_size)
    suits.check_protocol(network, spec.protocol)
    recipe = recipes.complete(
        spec.recipe,
        flip=dataset.mirrored,
        depth=network.depth,
        normalised=not isinstance(network, Baseline) or network.normalised,
    )
    suits.check_growth(network, recipe, input_size)
    length = recipes.RECIPES[spec.recipe.name].length
    batch_size = spec.batch_size or length.batch_size
    images = _training_images(spec, dataset)
    if batch_size > images:
        raise Unresolvable(
            "batch_size",
            f"a batch of {batch_size} is more than the {images} training images of "
            f"'{dataset.name}'; choose a smaller one",
        )
    per_epoch = images // batch_size
    workers, gpus_per_worker = _workers(spec, batch_size, gpus)
    shares = _most_shares(workers, _least(spec), batch_size)
    suits.check_norm(network, suits.smallest_side(recipe, input_size), batch_size, shares)
    iterations = _iterations(spec, length, per_epoch)
    every = spec.checkpoint_every
    architecture = network if isinstance(network, Architecture) else None
    return ResolvedSpec(
        kind=spec.kind,
        arch=network.name,
        depth=network.depth,
        family=network.family,
        shortcut=architecture.shortcut if architecture else None,
        stride=architecture.stride if architecture else "v1",
        stem=architecture.stem if architecture else "paper",
        dataset=dataset.name,
        classes=len(dataset.classes),
        input_size=input_size,
        epochs=ceil(iterations / per_epoch),
        iterations=iterations,
        steps_per_epoch=per_epoch,
        recipe=recipe,
        holdout=spec.holdout,
        protocol=spec.protocol,
        batch_size=batch_size,
        per_worker_batch=ceil(batch_size / workers),
        accumulation=1,
        checkpoint_activations=spec.checkpoint_activations,
        workers=workers,
        min_workers=_least(spec),
        cpus_per_worker=spec.cpus_per_worker or 1.0,
        gpus_per_worker=gpus_per_worker,
        seed=spec.seed,
        max_retries=spec.max_retries,
        max_runtime=spec.max_runtime,
        max_pending=spec.max_pending,
        checkpoint_steps=every.steps or (every.epochs or 1) * per_epoch,
        keep_checkpoints=spec.keep_checkpoints,
        early_stopping=spec.early_stopping,
        priority=spec.priority,
        name=spec.name,
        labels=spec.labels,
        register_as=spec.register_as,
    )


def resolve_evaluation(
    spec: EvaluateSpec, dataset: DatasetInfo, models: tuple[EvaluatedModel, ...], *, gpus: int
) -> ResolvedEvaluation:
    """`spec` with all defaults, for `models` that know the classes of `dataset`. Raises Unresolvable."""
    batch_size = spec.batch_size or EVALUATION_BATCH
    workers, gpus_per_worker = _workers(spec, batch_size, gpus)
    return ResolvedEvaluation(
        kind=spec.kind,
        models=models,
        dataset=dataset.name,
        protocol=spec.protocol,
        analyse=spec.analyse,
        precision=spec.precision,
        batch_size=batch_size,
        per_worker_batch=ceil(batch_size / workers),
        workers=workers,
        min_workers=_least(spec),
        cpus_per_worker=spec.cpus_per_worker or 1.0,
        gpus_per_worker=gpus_per_worker,
        max_retries=spec.max_retries,
        max_runtime=spec.max_runtime,
        max_pending=spec.max_pending,
        priority=spec.priority,
        name=spec.name,
        labels=spec.labels,
    )


def resolve_prediction(
    spec: PredictSpec,
    model: EvaluatedModel,
    *,
    source: str | None,
    prefix: str | None,
    gpus: int,
) -> ResolvedPrediction:
    """`spec` with all defaults; `source` and its `prefix` in the store, if it is not of a data set."""
    batch_size = spec.batch_size or PREDICTION_BATCH
    workers, gpus_per_worker = _workers(spec, MAX_WORKERS, gpus)  # they share files, not batches
    return ResolvedPrediction(
        kind=spec.kind,
        model=model,
        dataset=spec.dataset,
        split=(spec.split or "val") if spec.dataset else None,
        source=source,
        prefix=prefix,
        top_k=spec.top_k,
        rows_per_file=spec.rows_per_file,
        precision=spec.precision,
        batch_size=batch_size,
        per_worker_batch=batch_size,
        workers=workers,
        min_workers=_least(spec),
        cpus_per_worker=spec.cpus_per_worker or 1.0,
        gpus_per_worker=gpus_per_worker,
        max_retries=spec.max_retries,
        max_runtime=spec.max_runtime,
        max_pending=spec.max_pending,
        priority=spec.priority,
        name=spec.name,
        labels=spec.labels,
    )


def sized(spec: Resolved, workers: int) -> Resolved:
    """What an attempt with `workers` of an elastic job's workers does: the same global batch, in as many
    turns as keep a worker's share of a forward pass no larger than with all of them."""
    if workers == spec.workers:
        return spec
    if not isinstance(spec, ResolvedSpec):
        return spec.model_copy(update={"workers": workers})
    turns = _turns(spec.workers, workers, spec.batch_size)
    return spec.model_copy(
        update={
            "workers": workers,
            "accumulation": turns,
            "per_worker_batch": ceil(spec.batch_size / (workers * turns)),
        }
    )


def lengthened(spec: ResolvedSpec, epochs: int) -> ResolvedSpec:
    """The same training over `epochs` epochs in all; its schedule stretches over them."""
    return spec.model_copy(update={"epochs": epochs, "iterations": epochs * spec.steps_per_epoch})


def _turns(most: int, workers: int, batch_size: int) -> int:
    """Forward passes a step of each of `workers` workers in place of `most`; no pass is empty."""
    return min(ceil(most / workers), batch_size // workers)


def _most_shares(most: int, least: int | None, batch_size: int) -> int:
    """Into how many forward passes a step can fall, with any number of workers that is allowed."""
    return max(n * _turns(most, n, batch_size) for n in range(least or most, most + 1))


def _least(spec: Asked) -> int | None:
    return spec.workers.min if isinstance(spec.workers, WorkerRange) else None


def _training_images(spec: TrainSpec, dataset: DatasetInfo) -> int:
    if spec.holdout >= dataset.train_images:
        raise Unresolvable(
            "holdout",
            f"'{dataset.name}' has {dataset.train_images} training images; keep back fewer",
        )
    return dataset.train_images - spec.holdout


def _workers(spec: Asked, batch_size: int, gpus: int) -> tuple[int, float]:
    """How many workers at most, with how many GPUs each."""
    each = spec.gpus_per_worker if spec.gpus_per_worker is not None else float(gpus > 0)
    asked = spec.workers.max if isinstance(spec.workers, WorkerRange) else spec.workers
    workers = asked or (max(1, int(gpus / each)) if each else 2)
    if workers > batch_size:
        raise Unresolvable(
            "workers",
            f"{workers} workers cannot share a batch of {batch_size}; ask for fewer workers",
        )
    return workers, each


def _iterations(spec: TrainSpec, length: recipes.Length, per_epoch: int) -> int:
    if spec.iterations is not None:
        return spec.iterations
    if spec.epochs is not None:
        return spec.epochs * per_epoch
    if length.iterations is not None:
        return length.iterations
    return (length.epochs or 1) * per_epoch
