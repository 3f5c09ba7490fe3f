"""The training loop, in plain torch. `attempt` calls it, `worker` adds Ray.

Runs on one process or as one of several; an observer is told what happened, and never waited for.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from trainer.data.batches import inputs, train_batch
from trainer.training.device import autocast, memory_format
from trainer.training.learner import Learner
from trainer.training.loss import Scored, score
from trainer.training.validation import evaluate, tally


class Observer(Protocol):
    """Is told by every worker's loop, in the same order. May raise to end the run."""

    def trained(self, step: int, rate: float, sums: Tensor) -> bool:
        """Optimizer step `step` (from 1) is done; `sums` is this worker's `tally` of its share.

        Whether to go on: the same answer on every worker.
        """

    def validated(self, step: int, sums: Tensor) -> None:
        """The result of `step` was evaluated; `sums` is the tally over all validation images."""

    def checkpoint_due(self, step: int) -> None:
        """The state after `step` is to be kept; the loop goes on when this returns."""


def train(learner: Learner, steps: range, observer: Observer) -> int:
    """Do the optimizer steps `steps`, counted from 0; evaluate after each epoch and at the end.

    The step after which it ended: the last, or an earlier one because the observer wanted it, or because
    the validations got no better.
    """
    spec = learner.spec
    learner.model.train()
    for step in steps:
        rate = learner.rate.at(step)
        for parameters in learner.optimizer.param_groups:
            parameters["lr"] = rate
        sums = add_gradients(learner, step)
        learner.optimizer.step()
        learner.optimizer.zero_grad()

        done = step + 1
        if learner.average:
            learner.average.update(done)
        learner.rate.trained(done, sums)
        goes_on = observer.trained(done, rate, sums)
        if done % spec.steps_per_epoch == 0 or done == steps.stop:
            validation = evaluate(learner)
            learner.rate.validated(validation)
            observer.validated(done, validation)
            goes_on &= not learner.stopping.validated(validation)
            learner.model.train()
        if done % spec.checkpoint_steps == 0 or done == steps.stop or not goes_on:
            observer.checkpoint_due(done)
        if not goes_on:
            return done
    return steps.stop


def add_gradients(learner: Learner, step: int) -> Tensor:
    """Leave the gradients of the whole batch's mean loss in the network; this worker's `tally`.

    The batch falls into a share for each turn of each worker. Batch normalisation sees one share at a
    time, and takes each into its running statistics: with more turns they follow faster.
    """
    spec, group = learner.spec, learner.group
    # The wrapper averages gradients over the workers. Of summed losses × world / batch size that
    # average is the gradient of the whole batch's mean, however unevenly the batch is shared.
    scale = group.world / spec.batch_size
    tallies = []
    for turn in range(spec.accumulation):
        with _unshared(learner, last=turn == spec.accumulation - 1):
            scored = forward(learner, step, turn)
            (scored.objective * scale).backward()  # type: ignore[no-untyped-call]
        tallies.append(tally(scored.logits.detach(), scored.labels, scored.loss.detach()))
    return torch.stack(tallies).sum(dim=0) if len(tallies) > 1 else tallies[0]


def forward(learner: Learner, step: int, turn: int = 0) -> Scored:
    """A turn of this worker's share of a training step, up to its losses."""
    spec, group = learner.spec, learner.group
    # Shares are numbered so that each is the same images and the same dropout, whoever does it.
    share, shares = group.rank * spec.accumulation + turn, group.world * spec.accumulation
    if learner.draws:
        torch.manual_seed(_dropout_seed(spec.seed, step, share))
    with learner.pulse.making_data():
        images = train_batch(
            learner.dataset.train,
            spec.recipe,
            seed=spec.seed,
            step=step,
            iterations=spec.iterations,
            batch_size=spec.batch_size,
            rank=share,
            world=shares,
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


def _unshared(learner: Learner, *, last: bool) -> AbstractContextManager[None]:
    """Gradients travel in the `last` turn only, added up."""
    if last or not isinstance(learner.model, DistributedDataParallel):
        return nullcontext()
    return learner.model.no_sync()


def _dropout_seed(seed: int, step: int, share: int) -> int:
    """Follows from where the run is, so a resumed run drops what an undisturbed one drops."""
    return int(np.random.SeedSequence((seed, step, share)).generate_state(1, np.uint64)[0])
