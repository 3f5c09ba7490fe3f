"""What an attempt works with: its place, its data, its network, the keeper of its checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from inspect import signature
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from trainer.contract.attempts import Best, Order
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.datasets import DATASETS, DatasetInfo
from trainer.contract.objects.store import ObjectStore
from trainer.contract.recipes import Recipe
from trainer.contract.spec import ResolvedSpec
from trainer.data.batches import pixel_mean
from trainer.data.dataset import Dataset, Raw
from trainer.data.load import load
from trainer.models.build import build
from trainer.training.average import Average
from trainer.training.background import BackgroundJournal
from trainer.training.checkpoint import Checkpointer
from trainer.training.device import choose_precision, memory_format
from trainer.training.group import Group
from trainer.training.learner import Learner
from trainer.training.schedule import LearningRate
from trainer.training.snapshot import Proof, Snapshot, golden_count
from trainer.training.stopping import Stopping
from trainer.training.vigil import Vigil

Loaded = TypeVar("Loaded", Dataset, Raw)

DROPOUT = (nn.Dropout, nn.Dropout2d)


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
    vigil: Vigil
    """What the service wishes of the attempt, which only the first worker hears of; and notices."""


def load_in_turn(spec: ResolvedSpec, at: Setting) -> Dataset:
    """The data set that a training asks for."""
    info = DATASETS[spec.dataset]
    return in_turn(
        info,
        at,
        lambda: load(info, at.store, input_size=spec.input_size, holdout=spec.holdout),
    )


def in_turn(info: DatasetInfo, at: Setting, read: Callable[[], Loaded]) -> Loaded:
    """What `read` gives; of a downloaded data set, to the first worker before the others: they find
    it in the store."""
    if at.group.first:
        found = read()
    if info.source == "download":
        at.group.number_from_first(0, at.device)
    return found if at.group.first else read()


def make_learner(spec: ResolvedSpec, dataset: Dataset, at: Setting) -> Learner:
    """A worker's part of a run at its beginning, with the same weights on every worker."""
    recipe = spec.recipe
    torch.manual_seed(spec.seed)
    network = build(
        spec.network,
        spec.classes,
        zero_init=recipe.zero_init,
        checkpoint_activations=spec.checkpoint_activations,
    )
    network = network.to(device=at.device, memory_format=memory_format(recipe))  # type: ignore[call-overload]
    average = Average(network, recipe.ema_decay) if recipe.ema_decay > 0 else None
    model = at.wrap(network)
    return Learner(
        spec=spec,
        dataset=dataset,
        network=network,
        model=model,
        optimizer=make_optimizer(network, recipe),
        rate=LearningRate(spec, at.group),
        stopping=Stopping(spec),
        pixel_mean=pixel_mean(dataset.train).to(at.device),
        device=at.device,
        precision=choose_precision(recipe.precision, at.device),
        group=at.group,
        average=average,
        draws=any(isinstance(module, DROPOUT) for module in model.modules()),
        pulse=at.vigil.pulse,
    )


def averaged(network: nn.Module) -> nn.Module:
    """The network in DDP. Running statistics are shared when they are needed, not every step."""
    known = signature(DistributedDataParallel).parameters
    # The switch's name before torch 2.15, which warns of it.
    switch = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {switch: False, "gradient_as_bucket_view": True}
    return DistributedDataParallel(network, **options)


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD as the recipe says. Batch normalisation, biases and PReLU slopes are vectors, all other
    parameters have two dimensions or more."""
    decays = {
        parameter: parameter.ndim > 1 or recipe.decay_norm_and_bias
        for parameter in network.parameters()
    }
    spared = [parameter for parameter, decay in decays.items() if not decay]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter, decay in decays.items() if decay]},
        {"params": spared, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        groups,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )


def make_checkpointer(
    order: Order,
    learner: Learner,
    best: Best | None,
    journal: BackgroundJournal,
    at: Setting,
) -> Checkpointer:
    spec, dataset = learner.spec, learner.dataset
    template = CheckpointMeta(
        job_id=order.job_id,
        attempt=order.attempt,
        step=0,
        epoch=0,
        metrics=None,
        architecture=spec.network,
        class_names=dataset.info.classes,
        transform=dataset.transform,
        dataset=spec.dataset,
        dataset_fingerprint=dataset.fingerprint,
        seed=spec.seed,
        versions=at.versions,
    )
    count = len(dataset.val)
    golden = min(count, golden_count(spec.network, spec.classes, spec.input_size))
    spread = torch.arange(golden) * count // golden
    with torch.device("meta"):
        network = build(spec.network, spec.classes).eval()
    proof = Proof(
        network=network,
        images=dataset.val.pixels[spread].contiguous(),
        pixel_mean=pixel_mean(dataset.train),
        transform=dataset.transform,
    )
    return Checkpointer(
        store=at.store,
        job_id=order.job_id,
        template=template,
        steps_per_epoch=spec.steps_per_epoch,
        snapshot=Snapshot(
            learner.network,
            learner.optimizer,
            learner.rate,
            learner.average,
            learner.stopping,
        ),
        proof=proof,
        keep=spec.keep_checkpoints,
        best=best,
        settle_metrics=journal.settle,
        clock=at.clock,
        pulse=at.vigil.pulse,
    )
