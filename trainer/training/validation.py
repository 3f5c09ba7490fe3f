"""Counts how often a network is wrong: the tally of any batch, and of all validation images."""

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.batches import normalise, val_batches
from trainer.training.device import autocast, memory_format
from trainer.training.learner import Learner

MIN_EVALUATION_BATCH = 64


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
