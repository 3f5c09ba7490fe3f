"""One worker's attempt at an evaluation of registered models. Knows no Ray: `worker` calls it."""

import logging

import torch

from trainer.contract import layout
from trainer.contract.analysis import Analysis
from trainer.contract.attempts import Order
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluatedModel, ResolvedEvaluation
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject
from trainer.contract.transform import Transform
from trainer.data.arrays import prepare_split
from trainer.data.dataset import Images
from trainer.data.load import raw
from trainer.evaluation import version
from trainer.evaluation.analysis import FIRST, analyse
from trainer.evaluation.scores import Candidate
from trainer.evaluation.version import Unfit, Version
from trainer.training.announce import announce, programs
from trainer.training.device import Chosen, choose_precision
from trainer.training.endings import Ended
from trainer.training.patience import patiently
from trainer.training.protocol import evaluate
from trainer.training.setup import Setting, in_turn

log = logging.getLogger(__name__)


def run(order: Order, spec: ResolvedEvaluation, at: Setting) -> Ended:
    """Evaluate what `order` asks, its `spec`; all workers together.

    Raises Fenced, Halted, Unfit, DatasetUnavailable, StoreUnavailable, or torch's own failures.
    """
    versions = [_load(model, at) for model in spec.models]
    ensemble = _candidates(spec, versions, at)
    precision = choose_precision(spec.precision, at.device)
    if at.group.first:
        _announce(order, spec, precision, at)
    evaluation = evaluate(
        ensemble,
        protocol=spec.protocol,
        dataset=spec.dataset,
        models=tuple(_named(model) for model in spec.models),
        batch_size=spec.per_worker_batch,
        precision=precision,
        group=at.group,
        interrupt=at.vigil.interrupt,
    )
    log.info(
        "%s on %s by %s: top-1 error %.2f %%, top-5 error %.2f %% of %d images in %d views",
        ", ".join(evaluation.models),
        spec.dataset,
        spec.protocol,
        evaluation.top1_error,
        evaluation.top5_error,
        evaluation.images,
        evaluation.views,
    )
    if spec.analyse and at.group.first:
        _analyse(order, spec, versions[0], ensemble[0], at)
    return Ended(final=None, best=None, evaluation=evaluation)


def _load(model: EvaluatedModel, at: Setting) -> Version:
    try:
        return patiently(lambda: version.load(at.store, model.prefix, device=at.device))
    except (Damaged, NoSuchObject, Unfit) as error:
        raise Unfit(f"{_named(model)} cannot be used: {error}") from error


def _candidates(
    spec: ResolvedEvaluation, versions: list[Version], at: Setting
) -> tuple[Candidate, ...]:
    """The models, each with the images as its own transform prepares them: the same ones where two
    models have the same transform. Raises Unfit where one knows another number of classes."""
    info = DATASETS[spec.dataset]
    split = in_turn(info, at, lambda: raw(info, at.store)).val
    prepared: dict[Transform, Images] = {}
    for model, loaded in zip(spec.models, versions, strict=True):
        classes = len(loaded.meta.class_names)
        if classes != len(info.classes):
            raise Unfit(
                f"{_named(model)} knows {classes} classes, {info.name} has {len(info.classes)}"
            )
        if loaded.meta.transform not in prepared:
            prepared[loaded.meta.transform] = prepare_split(split, loaded.meta.transform)
    return tuple(
        Candidate(
            network=loaded.network.to(memory_format=torch.channels_last),
            pixel_mean=loaded.pixel_mean,
            transform=loaded.meta.transform,
            images=prepared[loaded.meta.transform],
        )
        for loaded in versions
    )


def _announce(order: Order, spec: ResolvedEvaluation, precision: Chosen, at: Setting) -> None:
    """Raises Fenced."""
    started = announce(order, at, precision=precision, channels_last=True)
    log.info(
        "attempt %d: %d models by %s on %s; %d workers on %s in %s; %s",
        order.attempt,
        len(spec.models),
        spec.protocol,
        spec.dataset,
        spec.workers,
        started.device,
        precision,
        programs(started),
    )


def _analyse(
    order: Order, spec: ResolvedEvaluation, model: Version, candidate: Candidate, at: Setting
) -> None:
    """Put what goes on in the one model into the store, as numbers and as a picture."""
    from trainer.evaluation.picture import draw  # matplotlib, which takes a second to import

    log.info("looking into the layers of %s", _named(spec.models[0]))
    found = Analysis(
        model=_named(spec.models[0]),
        arch=model.meta.architecture.name,
        dataset=spec.dataset,
        images=min(FIRST, len(candidate.images)),
        layers=analyse(candidate),
    )
    numbers, picture = found.model_dump_json().encode(), draw(found)
    patiently(lambda: at.store.put(layout.analysis_picture(order.job_id, order.attempt), picture))
    patiently(lambda: at.store.put(layout.analysis(order.job_id, order.attempt), numbers))


def _named(model: EvaluatedModel) -> str:
    return f"{model.name}:{model.version}"
