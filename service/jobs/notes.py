"""What was decided for the caller of a job and may surprise, in sentences. Used by `plan`."""

from collections.abc import Iterator, Sequence

from service.jobs.resolving import Decided
from trainer.contract import resolve
from trainer.contract.baselines import Baseline
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluateSpec, ResolvedEvaluation, view_sides
from trainer.contract.prediction import PredictSpec, ResolvedPrediction
from trainer.contract.recipes import RECIPES
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.sweep import ResolvedSweep


def of(decided: Decided) -> Iterator[str]:
    asked, spec = decided.asked, decided.spec
    if isinstance(asked, TrainSpec) and isinstance(spec, ResolvedSpec):
        yield from _of_network(asked, spec)
        yield from _of_start(spec)
        yield from _of_recipe(asked, spec)
        if spec.min_workers is not None:
            yield from _of_turns(spec)
    if isinstance(spec, ResolvedSweep):
        yield from _of_sweep(spec, decided.trials)
    if isinstance(asked, EvaluateSpec) and isinstance(spec, ResolvedEvaluation):
        yield from _of_evaluation(asked, spec)
    if isinstance(asked, PredictSpec) and isinstance(spec, ResolvedPrediction):
        yield from _of_prediction(asked, spec)


def _of_prediction(asked: PredictSpec, spec: ResolvedPrediction) -> Iterator[str]:
    if spec.dataset is None:
        yield (
            f"It classifies what is in {spec.prefix}/ when it begins; what comes later is not in it, and "
            "what is no image is a row with its 'error'."
        )
    elif asked.split is None:
        yield f"It classifies the validation images of '{spec.dataset}'; 'split': 'train' the others."


def _of_sweep(spec: ResolvedSweep, trials: Sequence[ResolvedSpec]) -> Iterator[str]:
    if spec.search.name == "asha" and len({trial.depth for trial in trials}) > 1:
        yield (
            "Deeper networks converge later, and asha compares all at the same epochs: with a 'grace_epochs' "
            f"of {spec.search.grace_epochs} it may end the deeper ones too soon."
        )
    if spec.scale is not None and spec.scale < 1:
        yield (
            f"Each training has {spec.scale:.2g} of the paper's length, so its error says nothing about the "
            "paper's."
        )


def _of_network(asked: TrainSpec, spec: ResolvedSpec) -> Iterator[str]:
    if spec.stem == "small" and asked.stem is None:
        yield (
            f"For images of {spec.input_size} pixels {spec.arch} begins with one 3×3 convolution of "
            "stride 1; 'stem': 'paper' gives it the paper's 7×7/2 and max-pool, 'input_size' larger "
            "images."
        )
    if spec.checkpoint_activations:
        yield (
            "Activations are computed again in the backward pass: less memory for one more forward "
            "pass a step, the same gradients."
        )


def _of_start(spec: ResolvedSpec) -> Iterator[str]:
    if spec.start_from is not None and not spec.start_from.classifier:
        yield (
            f"It begins with the weights of {spec.start_from.name} but for the classifier, which begins "
            f"anew: '{spec.dataset}' has other classes."
        )


def _of_recipe(asked: TrainSpec, spec: ResolvedSpec) -> Iterator[str]:
    info, recipe = DATASETS[spec.dataset], spec.recipe
    if spec.holdout:
        yield (
            f"{spec.holdout} of the {info.train_images} training images are kept back and validated on; "
            f"the {info.val_images} validation images of '{info.name}' are not used."
        )
    if recipe.start_error and asked.recipe.start_error is None:
        yield (
            f"{spec.depth} layers start at a learning rate of {recipe.start_rate:g} until the training "
            f"error is below {recipe.start_error:g} % (section 4.2); 'recipe': {{'start_error': 0}} "
            "starts them at the full one."
        )
    network, named = spec.network, RECIPES[asked.recipe.name].recipe
    tamed = isinstance(network, Baseline) and not network.normalised
    if tamed and asked.recipe.learning_rate is None:
        yield (
            f"{spec.arch} has no batch normalisation, so its learning rate is {recipe.learning_rate:g} "
            f"instead of {named.learning_rate:g}; 'recipe': {{'learning_rate': …}} sets another."
        )
    if named.flip and not info.mirrored and asked.recipe.flip is None:
        yield (
            f"Training images are not mirrored: in '{info.name}' a mirror image is not of its class; "
            "'recipe': {'flip': true} mirrors them all the same."
        )


def _of_turns(spec: ResolvedSpec) -> Iterator[str]:
    least = resolve.sized(spec, spec.least_workers)
    if isinstance(least, ResolvedSpec) and least.accumulation > 1:
        yield (
            f"A step has {spec.batch_size} images with any number of workers: {spec.workers} hold up to "
            f"{spec.per_worker_batch} at once, and {least.workers} up to {least.per_worker_batch} in each "
            f"of {least.accumulation} turns."
        )


def _of_evaluation(asked: EvaluateSpec, spec: ResolvedEvaluation) -> Iterator[str]:
    if asked.dataset is None:
        first = spec.models[0]
        yield (
            f"It evaluates the validation images of '{spec.dataset}', which {first.name}:{first.version} "
            "was trained on; 'dataset' names others."
        )
    views = len(view_sides(spec.protocol, 1))
    if views > 1:
        yield f"Each image is shown {views} times; multiply_adds counts all of them."
