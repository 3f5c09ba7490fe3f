"""Brings every worker to where the attempt begins: the state that the first one found. For `attempt`."""

import torch

from trainer.contract.attempts import Order
from trainer.training.learner import Learner
from trainer.training.patience import patiently
from trainer.training.resume import Found, newest
from trainer.training.schedule import Progress
from trainer.training.setup import Setting
from trainer.training.snapshot import momentum, restore


def resume(order: Order, learner: Learner, at: Setting) -> Found:
    """Only the first worker looks; what it finds reaches the others by `share_state`."""
    if not at.group.first:
        return Found(None, ())
    found = patiently(lambda: newest(at.store, order, learner.spec))
    if found.state is not None:
        state = found.state
        restore(learner.network, learner.optimizer, state.weights, state.momentum)
        if learner.average and state.average:
            learner.average.network.load_state_dict(state.average)
        learner.rate.progress = state.progress
    return found


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
