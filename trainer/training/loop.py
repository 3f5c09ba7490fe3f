"""The training loop and the evaluation, in plain torch. `attempt` calls them, `worker` adds Ray.

Runs on one process or as one of several; an observer is told what happened, and never waited for.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.contract.spec import ResolvedSpec
from trainer.data.batches import inputs, normalise, train_batch, val_batches
from trainer.data.dataset import Dataset
from trainer.training.average import Average
from trainer.training.device import Chosen, autocast, memory_format
from trainer.training.group import Group
from trainer.training.loss import Scored, score
from trainer.training.schedule import LearningRate

MIN_EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Learner:
    """One worker's part of a run."""

    spec: ResolvedSpec
    dataset: Dataset
    network: nn.Module
    """What the optimizer changes."""
    model: nn.Module
    """What is trained: the network itself, or wrapped so that gradients are averaged over workers."""
    optimizer: torch.optim.SGD
    rate: LearningRate
    pixel_mean: Tensor
    """(3, input_size, input_size) on the device."""
    device: torch.device
    precision: Chosen
    group: Group
    average: Average | None = None
    """Of the network's weights, where the recipe asks for one."""
    draws: bool = False
    """Whether the network draws random numbers: it has dropout."""

    @property
    def result(self) -> nn.Module:
        """What is evaluated, kept and served: the average, or else the network."""
        return self.average.network if self.average else self.network


class Observer(Protocol):
    """Is told by every worker's loop, in the same order. May raise to end the run."""

    def trained(self, step: int, rate: float, sums: Tensor) -> None:
        """Optimizer step `step` (from 1) is done; `sums` is this worker's `tally` of its share."""

    def validated(self, step: int, sums: Tensor) -> None:
        """The result of `step` was evaluated; `sums` is the tally over all validation images."""

    def checkpoint_due(self, step: int) -> None:
        """The state after `step` is to be kept; the loop goes on when this returns."""


def train(learner: Learner, steps: range, observer: Observer) -> None:
    """Do the optimizer steps `steps`, counted from 0; evaluate after each epoch and at the end."""
    spec = learner.spec
    # The wrapper averages gradients over the workers. Of summed losses × world / batch size that
    # average is the gradient of the whole batch's mean, however unevenly the batch is shared.
    scale = learner.group.world / spec.batch_size
    learner.model.train()
    for step in steps:
        rate = learner.rate.at(step)
        for parameters in learner.optimizer.param_groups:
            parameters["lr"] = rate
        scored = forward(learner, step)
        (scored.objective * scale).backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()
        learner.optimizer.zero_grad()

        done = step + 1
        if learner.average:
            learner.average.update(done)
        sums = tally(scored.logits.detach(), scored.labels, scored.loss.detach())
        learner.rate.trained(done, sums)
        observer.trained(done, rate, sums)
        if done % spec.steps_per_epoch == 0 or done == steps.stop:
            sums = evaluate(learner)
            learner.rate.validated(sums)
            observer.validated(done, sums)
            learner.model.train()
        if done % spec.checkpoint_steps == 0 or done == steps.stop:
            observer.checkpoint_due(done)


def forward(learner: Learner, step: int) -> Scored:
    """This worker's share of a training step, up to its losses."""
    spec, group = learner.spec, learner.group
    if learner.draws:
        torch.manual_seed(_dropout_seed(spec.seed, step, group.rank))
    images = train_batch(
        learner.dataset.train,
        spec.recipe,
        seed=spec.seed,
        step=step,
        iterations=spec.iterations,
        batch_size=spec.batch_size,
        rank=group.rank,
        world=group.world,
    )
    layout = memory_format(spec.recipe)
    given = inputs(images, learner.pixel_mean, learner.dataset.transform, learner.device, layout)
    with autocast(learner.device, learner.precision):
        output = learner.model(given.images)
    return score(output, given, smoothing=spec.recipe.label_smoothing)


def rehearse(learner: Learner, step: int) -> None:
    """Run `step` forward and backward and forget it.

    DDP orders its gradient buckets by what the first backward pass saw. Three and more workers add
    up in an order that depends on it, so a resumed run must have its buckets in order from its
    first real step on to stay bit-identical to an undisturbed one.
    """
    learner.model.train()
    before = [buffer.clone() for buffer in learner.network.buffers()]
    forward(learner, step).objective.backward()  # type: ignore[no-untyped-call]
    learner.optimizer.zero_grad()
    for buffer, saved in zip(learner.network.buffers(), before, strict=True):
        buffer.copy_(saved)


@torch.no_grad()
def evaluate(learner: Learner) -> Tensor:
    """The tally over all validation images, each counted by exactly one worker; (4,) float64."""
    network = learner.result.eval()
    # Each worker keeps its own running statistics; a checkpoint holds the first worker's.
    learner.group.copy_first(network.buffers())
    sums = torch.zeros(4, dtype=torch.float64, device=learner.device)
    for pixels, labels in val_batches(
        learner.dataset.val,
        batch_size=max(learner.spec.per_worker_batch, MIN_EVALUATION_BATCH),
        rank=learner.group.rank,
        world=learner.group.world,
    ):
        moved = pixels.to(learner.device, non_blocking=True)
        images = normalise(moved, learner.pixel_mean, learner.dataset.transform)
        images = images.contiguous(memory_format=memory_format(learner.spec.recipe))
        targets = labels.to(learner.device, non_blocking=True)
        with autocast(learner.device, learner.precision):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), targets, reduction="sum")
        sums += tally(logits, targets, loss)
    learner.group.add(sums)
    return sums


def tally(logits: Tensor, labels: Tensor, loss_sum: Tensor) -> Tensor:
    """(4,) float64: summed loss, images wrong at the first guess, within the first five, images.

    With fewer than five classes all of them are within the first five.
    """
    guesses = logits.topk(min(5, logits.shape[1])).indices
    missed = guesses != labels[:, None]
    first, five = missed[:, 0].sum(), missed.all(dim=1).sum()
    count = torch.full_like(first, len(labels))
    return torch.stack([loss_sum.double(), first.double(), five.double(), count.double()])


def _dropout_seed(seed: int, step: int, rank: int) -> int:
    """Follows from where the run is, so a resumed run drops what an undisturbed one drops."""
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0])
