"""Brings every worker to where the attempt begins: the state that the first one found. For `attempt`."""

import logging

import torch

from trainer.contract.attempts import Order
from trainer.training.learner import Learner
from trainer.training.patience import patiently
from trainer.training.resume import Found, newest
from trainer.training.schedule import Progress
from trainer.training.setup import Setting
from trainer.training.snapshot import momentum, restore
from trainer.training.stopping import Standstill
from trainer.training.transfer import take_over

log = logging.getLogger(__name__)


def resume(order: Order, learner: Learner, at: Setting) -> Found:
    """Only the first worker looks; what it finds reaches the others by `share_state`. Raises Unfit."""
    if not at.group.first:
        return Found(None, ())
    found = patiently(lambda: newest(at.store, order, learner.spec))
    if found.state is not None:
        state = found.state
        restore(learner.network, learner.optimizer, state.weights, state.momentum)
        if learner.average and state.average:
            learner.average.network.load_state_dict(state.average)
        learner.rate.progress = state.progress
        learner.stopping.resume(state.standstill)
    else:
        _start_from(learner, at)
    return found


def _start_from(learner: Learner, at: Setting) -> None:
    """Begin with the weights that the job asks for, if it does. Raises Unfit."""
    spec, start = learner.spec, learner.spec.start_from
    if start is None:
        return
    patiently(lambda: take_over(at.store, spec, start, learner.network))
    if learner.average:
        learner.average.network.load_state_dict(learner.network.state_dict())
    log.info(
        "the weights are those of %s%s",
        start.name,
        "" if start.classifier else ", but for the classifier",
    )


def share_state(learner: Learner, step: int) -> None:
    """Give all workers the first one's weights, statistics, momentum and progress."""
    group, rate = learner.group, learner.rate
    if step > 0 and learner.spec.recipe.momentum > 0:
        for parameter in learner.network.parameters():
            state = learner.optimizer.state[parameter]
            state.setdefault("momentum_buffer", torch.zeros_like(parameter))
    group.copy_first(learner.network.state_dict().values())
    if learner.average:
        group.copy_first(learner.average.network.state_dict().values())
    group.copy_first(momentum(learner.network, learner.optimizer).values())
    progress = group.text_from_first(rate.progress.model_dump_json(), learner.device)
    rate.progress = Progress.model_validate_json(progress)
    standstill = group.text_from_first(learner.stopping.state.model_dump_json(), learner.device)
    learner.stopping.state = Standstill.model_validate_json(standstill)
