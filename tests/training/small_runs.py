"""Attempts small enough for a test: an eight-layer network on handwritten digits, in this process."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor, nn

from trainer.contract import attempts, checkpoints, journal, layout
from trainer.contract.attempts import MetricPoint, Order, Started
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import ObjectStore
from trainer.contract.resolve import resolve
from trainer.contract.spec import KeepCheckpoints, ResolvedSpec, TrainSpec
from trainer.contract.transform import for_dataset
from trainer.data.batches import pixel_mean
from trainer.data.dataset import Dataset
from trainer.models.build import build
from trainer.training.attempt import run
from trainer.training.average import Average
from trainer.training.checkpoint import Checkpointer
from trainer.training.endings import Ended
from trainer.training.group import Group
from trainer.training.learner import Learner
from trainer.training.schedule import LearningRate, Progress
from trainer.training.setup import Setting, make_optimizer
from trainer.training.snapshot import Proof, Snapshot, read_state
from trainer.training.stopping import Stopping
from trainer.training.vigil import Vigil

JOB = "job-a"
CPU = torch.device("cpu")
ALONE = Group()


def small_spec(**changes: Any) -> ResolvedSpec:
    """30 steps of 64 images, in an epoch of 22; a checkpoint every 7 steps."""
    body: dict[str, Any] = {
        "arch": "resnet",
        "depth": 8,
        "dataset": "digits",
        "iterations": 30,
        "batch_size": 64,
        "workers": 1,
        "checkpoint_every": {"steps": 7},
    }
    spec = TrainSpec.model_validate(body | changes)
    return resolve(spec, DATASETS[spec.dataset], gpus=0)


def order(attempt: int = 1, spec: ResolvedSpec | None = None) -> Order:
    return Order(
        job_id=JOB,
        attempt=attempt,
        spec=spec or small_spec(),
        resume_attempts=tuple(range(1, attempt)),
    )


def setting(
    store: ObjectStore,
    what: Order,
    group: Group = ALONE,
    wrap: Callable[[nn.Module], nn.Module] = lambda net: net,
    vigil: Vigil | None = None,
) -> Setting:
    """Of a worker in an attempt at `what`; nobody keeps its vigil."""
    return Setting(
        store=store,
        group=group,
        device=CPU,
        wrap=wrap,
        versions={"torch": torch.__version__},
        clock=now,
        vigil=vigil or Vigil(store, what.job_id, what.attempt, str(group.rank), now),
    )


def now() -> datetime:
    return datetime.now(UTC)


def attempt(
    store: ObjectStore, what: Order, wrap: Callable[[nn.Module], nn.Module] = lambda net: net
) -> Ended:
    torch.set_num_threads(1)
    assert isinstance(what.spec, ResolvedSpec)
    return run(what, what.spec, setting(store, what, wrap=wrap))


def learner(
    dataset: Dataset, spec: ResolvedSpec, network: nn.Module | None = None, group: Group = ALONE
) -> Learner:
    """A worker's part of a run, of any network, to be handed to the loop."""
    torch.manual_seed(spec.seed)
    network = network or build(spec.network, spec.classes)
    decay = spec.recipe.ema_decay
    return Learner(
        spec=spec,
        dataset=dataset,
        network=network,
        model=network,
        optimizer=make_optimizer(network, spec.recipe),
        rate=LearningRate(spec, group),
        stopping=Stopping(spec),
        pixel_mean=pixel_mean(dataset.train),
        device=CPU,
        precision="fp32",
        group=group,
        average=Average(network, decay) if decay > 0 else None,
    )


class Until(nn.Module):
    """A network that does `then` to its output after `steps` whole optimizer steps.

    The first forward pass of an attempt is its rehearsal, and no step.
    """

    def __init__(self, network: nn.Module, steps: int, then: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self._left = steps + 1
        self._then = then

    def forward(self, images: Tensor) -> Tensor:
        self._left -= 1
        logits: Tensor = self.network(images)
        return self._then(logits) if self._left < 0 else logits


class Killed(Exception):
    """Stands for whatever ends a process in the middle of a step."""


def kill(_: Tensor) -> Tensor:
    raise Killed


def points(store: ObjectStore, number: int, split: str = "train") -> list[MetricPoint]:
    """What an attempt has written, in the order it did."""
    chunks = journal.read(store, layout.metrics(JOB, number))
    found = [MetricPoint.model_validate(record) for _, records in chunks for record in records]
    return [point for point in found if point.split == split]


def kept_steps(store: ObjectStore, number: int) -> list[int]:
    prefixes = checkpoints.of_attempt(store, JOB, number)
    return [checkpoints.read(store, prefix).meta.step for prefix in prefixes]


def hashes(store: ObjectStore, number: int, step: int) -> dict[str, str]:
    """SHA-256 of a checkpoint's tensors, by file."""
    found = checkpoints.read(store, layout.checkpoint(JOB, number, step))
    files = {entry.name: entry.sha256 for entry in found.manifest.files}
    del files[checkpoints.STATE]  # it has the time of the best; `progress` reads the rest
    return files


def progress(store: LocalStore, number: int, step: int) -> Progress:
    """Of the learning rate, as a checkpoint has it."""
    prefix = layout.checkpoint(JOB, number, step)
    return read_state(store.root / prefix / checkpoints.STATE).progress


def started(store: ObjectStore, number: int) -> Started:
    found = attempts.read(store, layout.started(JOB, number), Started)
    assert found is not None
    return found


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))


def checkpointer(
    store: ObjectStore,
    number: int = 1,
    network: nn.Module | None = None,
    keep: KeepCheckpoints | None = None,
) -> Checkpointer:
    """One for a linear model, to be asked for checkpoints without training."""
    info, network = DATASETS["digits"], network or linear()
    transform = for_dataset(info)
    template = CheckpointMeta(
        job_id=JOB,
        attempt=number,
        step=0,
        epoch=0,
        metrics=None,
        architecture=small_spec().network,
        class_names=info.classes,
        transform=transform,
        dataset=info.name,
        dataset_fingerprint="0" * 64,
        seed=0,
        versions={},
    )
    proof = Proof(
        network=linear(),
        images=torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
        pixel_mean=torch.zeros(3, 32, 32),
        transform=transform,
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    return Checkpointer(
        store=store,
        job_id=JOB,
        template=template,
        steps_per_epoch=10,
        snapshot=Snapshot(network, optimizer, LearningRate(small_spec(), ALONE)),
        proof=proof,
        keep=KeepCheckpoints() if keep is None else keep,
        best=None,
        settle_metrics=lambda: None,
        clock=lambda: datetime.now(UTC),
    )


def measured(step: int, top1_error: float) -> MetricPoint:
    return MetricPoint(
        step=step,
        epoch=1,
        split="val",
        loss=1.0,
        top1_error=top1_error,
        top5_error=0.0,
        images=10,
        time=datetime.now(UTC),
    )
