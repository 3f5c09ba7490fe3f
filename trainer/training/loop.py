"""The training loop and the evaluation, in plain torch. `attempt` calls them, `worker` adds Ray.

Runs on one process or as one of several; an observer is told what happened, and never waited for.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.contract.spec import ResolvedSpec
from trainer.data.batches import normalise, train_batch, val_batches
from trainer.data.dataset import Dataset
from trainer.training.device import Chosen, autocast
from trainer.training.group import Group
from trainer.training.schedule import learning_rate

MIN_EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Learner:
    """One worker's part of a run."""

    spec: ResolvedSpec
    dataset: Dataset
    network: nn.Module
    """What is evaluated and saved."""
    model: nn.Module
    """What is trained: the network itself, or wrapped so that gradients are averaged over workers."""
    optimizer: torch.optim.SGD
    pixel_mean: Tensor
    """(3, input_size, input_size) on the device."""
    device: torch.device
    precision: Chosen
    group: Group


class Observer(Protocol):
    """Is told by every worker's loop, in the same order. May raise to end the run."""

    def trained(self, step: int, rate: float, sums: Tensor) -> None:
        """Optimizer step `step` (from 1) is done; `sums` is this worker's `tally` of its share."""

    def validated(self, step: int, sums: Tensor) -> None:
        """The network of `step` was evaluated; `sums` is the tally over all validation images."""

    def checkpoint_due(self, step: int) -> None:
        """The state after `step` is to be kept; the loop goes on when this returns."""


def train(learner: Learner, steps: range, observer: Observer) -> None:
    """Do the optimizer steps `steps`, counted from 0; evaluate after each epoch and at the end."""
    spec, recipe = learner.spec, learner.spec.recipe
    # The wrapper averages gradients over the workers. Of summed losses × world / batch size that
    # average is the gradient of the whole batch's mean, however unevenly the batch is shared.
    scale = learner.group.world / spec.batch_size
    learner.model.train()
    for step in steps:
        rate = learning_rate(
            recipe, step, iterations=spec.iterations, steps_per_epoch=spec.steps_per_epoch
        )
        for parameters in learner.optimizer.param_groups:
            parameters["lr"] = rate
        images, labels = batch(learner, step)
        with autocast(learner.device, learner.precision):
            logits = learner.model(images)
        loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
        (loss * scale).backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()
        learner.optimizer.zero_grad()

        done = step + 1
        observer.trained(done, rate, tally(logits.detach(), labels, loss.detach()))
        if done % spec.steps_per_epoch == 0 or done == steps.stop:
            observer.validated(done, evaluate(learner))
            learner.model.train()
        if done % spec.checkpoint_steps == 0 or done == steps.stop:
            observer.checkpoint_due(done)


@torch.no_grad()
def evaluate(learner: Learner) -> Tensor:
    """The tally over all validation images, each counted by exactly one worker; (4,) float64."""
    network = learner.network.eval()
    # Each worker keeps its own running statistics; a checkpoint holds the first worker's.
    learner.group.copy_first(network.buffers())
    sums = torch.zeros(4, dtype=torch.float64, device=learner.device)
    for pixels, labels in val_batches(
        learner.dataset.val,
        batch_size=max(learner.spec.per_worker_batch, MIN_EVALUATION_BATCH),
        rank=learner.group.rank,
        world=learner.group.world,
    ):
        images, targets = _prepare(learner, pixels, labels)
        with autocast(learner.device, learner.precision):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), targets, reduction="sum")
        sums += tally(logits, targets, loss)
    learner.group.add(sums)
    return sums


def rehearse(learner: Learner, step: int) -> None:
    """Run `step` forward and backward and forget it.

    DDP orders its gradient buckets by what the first backward pass saw. Three and more workers add
    up in an order that depends on it, so a resumed run must have its buckets in order from its
    first real step on to stay bit-identical to an undisturbed one.
    """
    learner.model.train()
    before = [buffer.clone() for buffer in learner.network.buffers()]
    images, labels = batch(learner, step)
    with autocast(learner.device, learner.precision):
        logits = learner.model(images)
    functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    learner.optimizer.zero_grad()
    for buffer, saved in zip(learner.network.buffers(), before, strict=True):
        buffer.copy_(saved)


def batch(learner: Learner, step: int) -> tuple[Tensor, Tensor]:
    """This worker's share of a training step: images (b, 3, S, S) as the network takes them, labels."""
    spec = learner.spec
    pixels, labels = train_batch(
        learner.dataset.train,
        seed=spec.seed,
        step=step,
        batch_size=spec.batch_size,
        rank=learner.group.rank,
        world=learner.group.world,
        crop_padding=spec.recipe.crop_padding,
        flip=spec.recipe.flip,
    )
    return _prepare(learner, pixels, labels)


def tally(logits: Tensor, labels: Tensor, loss_sum: Tensor) -> Tensor:
    """(4,) float64: summed loss, images wrong at the first guess, within the first five, images.

    With fewer than five classes all of them are within the first five.
    """
    guesses = logits.topk(min(5, logits.shape[1])).indices
    missed = guesses != labels[:, None]
    first, five = missed[:, 0].sum(), missed.all(dim=1).sum()
    count = torch.full_like(first, len(labels))
    return torch.stack([loss_sum.double(), first.double(), five.double(), count.double()])


def _prepare(learner: Learner, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    moved = pixels.to(learner.device, non_blocking=True)
    images = normalise(moved, learner.pixel_mean, learner.dataset.transform)
    layout = torch.channels_last if learner.spec.recipe.channels_last else torch.contiguous_format
    return images.contiguous(memory_format=layout), labels.to(learner.device, non_blocking=True)
