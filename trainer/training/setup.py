"""What an attempt works with: its place, its data, its network, the keeper of its checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import torch
from torch import nn

from trainer.contract.attempts import Best, Order
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.store import ObjectStore
from trainer.data.batches import pixel_mean
from trainer.data.dataset import Dataset
from trainer.data.load import load
from trainer.models.build import build
from trainer.training.background import BackgroundJournal
from trainer.training.checkpoint import Checkpointer
from trainer.training.device import choose_precision
from trainer.training.group import Group
from trainer.training.loop import Learner
from trainer.training.snapshot import GOLDEN_IMAGES, Proof, Snapshot


@dataclass(frozen=True)
class Setting:
    """Where a worker finds itself."""

    store: ObjectStore
    group: Group
    device: torch.device
    wrap: Callable[[nn.Module], nn.Module]
    """Makes a network average its gradients over the workers."""
    versions: dict[str, str]
    clock: Callable[[], datetime]


def load_in_turn(order: Order, at: Setting) -> Dataset:
    """Of a downloaded data set, the first worker before the others: they find it in the store."""
    info = DATASETS[order.spec.dataset]
    if info.source != "download":
        return load(info, at.store)
    if at.group.first:
        dataset = load(info, at.store)
    at.group.number_from_first(0, at.device)
    if not at.group.first:
        dataset = load(info, at.store)
    return dataset


def make_learner(order: Order, dataset: Dataset, at: Setting) -> Learner:
    spec = order.spec
    torch.manual_seed(spec.seed)
    layout_in_memory = torch.channels_last if spec.recipe.channels_last else torch.contiguous_format
    network = build(spec.architecture, spec.classes)
    network = network.to(device=at.device, memory_format=layout_in_memory)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=spec.recipe.learning_rate,
        momentum=spec.recipe.momentum,
        weight_decay=spec.recipe.weight_decay,
    )
    return Learner(
        spec=spec,
        dataset=dataset,
        network=network,
        model=at.wrap(network),
        optimizer=optimizer,
        pixel_mean=pixel_mean(dataset.train).to(at.device),
        device=at.device,
        precision=choose_precision(spec.recipe.precision, at.device),
        group=at.group,
    )


def make_checkpointer(
    order: Order,
    learner: Learner,
    best: Best | None,
    journal: BackgroundJournal,
    at: Setting,
) -> Checkpointer:
    spec, dataset = order.spec, learner.dataset
    template = CheckpointMeta(
        job_id=order.job_id,
        attempt=order.attempt,
        step=0,
        epoch=0,
        metrics=None,
        architecture=spec.architecture,
        class_names=dataset.info.classes,
        transform=dataset.transform,
        dataset=spec.dataset,
        dataset_fingerprint=dataset.fingerprint,
        seed=spec.seed,
        versions=at.versions,
    )
    count = len(dataset.val)
    spread = torch.arange(min(GOLDEN_IMAGES, count)) * count // min(GOLDEN_IMAGES, count)
    proof = Proof(
        network=build(spec.architecture, spec.classes).eval(),
        images=dataset.val.pixels[spread].contiguous(),
        pixel_mean=pixel_mean(dataset.train),
        transform=dataset.transform,
    )
    return Checkpointer(
        store=at.store,
        template=template,
        steps_per_epoch=spec.steps_per_epoch,
        snapshot=Snapshot(learner.network, learner.optimizer),
        proof=proof,
        best=best,
        settle_metrics=journal.settle,
        clock=at.clock,
    )
