"""From what a client asked to what will be done: every default is decided here, once."""

from math import ceil

from trainer.contract import archs, recipes
from trainer.contract.archs import Family
from trainer.contract.datasets import DatasetInfo
from trainer.contract.spec import ResolvedSpec, TrainSpec

SMALLEST = 32
"""Side in pixels of the largest image of which the ImageNet family's last stage leaves one pixel."""


class Unresolvable(ValueError):
    """A request that no default can save: `field` is at fault, and the message says how to mend it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def resolve(spec: TrainSpec, dataset: DatasetInfo, *, gpus: int) -> ResolvedSpec:
    """`spec` with all defaults, on a cluster of `gpus` GPUs. Raises Unresolvable."""
    try:
        arch = archs.resolve(
            spec.arch,
            depth=spec.depth,
            family=spec.family,
            shortcut=spec.shortcut,
            stride=spec.stride,
        )
    except ValueError as error:
        raise Unresolvable("arch", str(error)) from error
    _, length = recipes.RECIPES[spec.recipe.name]
    batch_size = spec.batch_size or length.batch_size
    if batch_size > dataset.train_images:
        raise Unresolvable(
            "batch_size",
            f"a batch of {batch_size} is more than the {dataset.train_images} training images of "
            f"'{dataset.name}'; choose a smaller one",
        )
    per_epoch = dataset.train_images // batch_size
    gpus_per_worker = spec.gpus_per_worker if spec.gpus_per_worker is not None else float(gpus > 0)
    workers = spec.workers or (max(1, int(gpus / gpus_per_worker)) if gpus_per_worker else 2)
    if workers > batch_size:
        raise Unresolvable(
            "workers",
            f"{workers} workers cannot share a batch of {batch_size}; ask for fewer workers",
        )
    if (
        arch.family is Family.IMAGENET
        and dataset.input_size <= SMALLEST
        and batch_size < 2 * workers
    ):
        raise Unresolvable(
            "workers",
            f"{arch.name} shrinks {dataset.input_size}×{dataset.input_size} images to one pixel, where "
            f"batch normalisation needs two images a worker; ask for at most {batch_size // 2} workers",
        )
    iterations = _iterations(spec, length, per_epoch)
    every = spec.checkpoint_every
    return ResolvedSpec(
        kind=spec.kind,
        arch=arch.name,
        depth=arch.depth,
        family=arch.family,
        shortcut=arch.shortcut,
        stride=arch.stride,
        dataset=dataset.name,
        classes=len(dataset.classes),
        input_size=dataset.input_size,
        epochs=ceil(iterations / per_epoch),
        iterations=iterations,
        steps_per_epoch=per_epoch,
        recipe=recipes.complete(spec.recipe, flip=dataset.mirrored),
        batch_size=batch_size,
        per_worker_batch=ceil(batch_size / workers),
        accumulation=1,
        workers=workers,
        cpus_per_worker=spec.cpus_per_worker or 1.0,
        gpus_per_worker=gpus_per_worker,
        seed=spec.seed,
        max_retries=spec.max_retries,
        checkpoint_steps=every.steps or (every.epochs or 1) * per_epoch,
        priority=spec.priority,
        name=spec.name,
        labels=spec.labels,
        register_as=spec.register_as,
    )


def _iterations(spec: TrainSpec, length: recipes.Length, per_epoch: int) -> int:
    if spec.iterations is not None:
        return spec.iterations
    if spec.epochs is not None:
        return spec.epochs * per_epoch
    if length.iterations is not None:
        return length.iterations
    return (length.epochs or 1) * per_epoch
