"""One worker's attempt at a job, from an order to its end. Knows no Ray: `worker` calls it."""

import logging
from contextlib import ExitStack

import torch
from pydantic import BaseModel

from trainer.contract import layout
from trainer.contract.attempts import Best, MetricPoint, Order, Started
from trainer.contract.journal import JournalWriter
from trainer.training.background import BackgroundJournal
from trainer.training.device import describe
from trainer.training.failures import Fenced
from trainer.training.loop import Learner, rehearse, train
from trainer.training.patience import create_mine, patiently
from trainer.training.reporter import Follower, Reporter
from trainer.training.resume import Found, newest
from trainer.training.setup import Setting, load_in_turn, make_checkpointer, make_learner
from trainer.training.snapshot import momentum, restore

log = logging.getLogger(__name__)


class Ended(BaseModel, frozen=True):
    """What a finished attempt came to."""

    final: MetricPoint | None
    best: Best | None


def run(order: Order, at: Setting) -> Ended:
    """Train what `order` asks, from where the earlier attempts came to.

    Raises Fenced, Diverged, DatasetUnavailable, StoreUnavailable, or torch's own failures.
    """
    learner = make_learner(order, load_in_turn(order, at), at)
    found = _resume(order, learner, at)
    step = at.group.number_from_first(found.step, at.device)
    _share_state(learner, step)
    if at.group.first:
        _announce(order, learner, found, at)
    steps = range(step, order.spec.iterations)
    if steps:
        rehearse(learner, step)
    if at.group.first:
        return _lead(order, learner, steps, found, at)
    train(learner, steps, Follower(at.group, at.clock))
    return Ended(final=None, best=None)


def _lead(order: Order, learner: Learner, steps: range, found: Found, at: Setting) -> Ended:
    """The first worker's part: train, and write down for all."""
    with ExitStack() as closing:
        metrics = JournalWriter(at.store, layout.metrics(order.job_id, order.attempt))
        journal = closing.enter_context(BackgroundJournal(metrics))
        checkpoints = make_checkpointer(order, learner, found.best, journal, at)
        closing.callback(checkpoints.close)
        reporter = Reporter(order.spec, at.group, journal, checkpoints, at.clock)
        reporter.last = found.metrics
        train(learner, steps, reporter)
        reporter.finish()
        return Ended(final=reporter.last, best=checkpoints.best)


def _resume(order: Order, learner: Learner, at: Setting) -> Found:
    """Only the first worker looks; what it finds reaches the others by `_share_state`."""
    if not at.group.first:
        return Found(None, ())
    found = patiently(lambda: newest(at.store, order))
    if found.state is not None:
        state = found.state
        restore(learner.network, learner.optimizer, state.weights, state.momentum)
    return found


def _share_state(learner: Learner, step: int) -> None:
    """Give all workers the first one's weights, statistics and momentum."""
    if step > 0 and learner.spec.recipe.momentum > 0:
        for parameter in learner.network.parameters():
            state = learner.optimizer.state[parameter]
            state.setdefault("momentum_buffer", torch.zeros_like(parameter))
    learner.group.copy_first(value.detach() for value in learner.network.state_dict().values())
    learner.group.copy_first(momentum(learner.network, learner.optimizer).values())


def _announce(order: Order, learner: Learner, found: Found, at: Setting) -> None:
    """Write `started.json`: from here on this attempt, and no other, is the one. Raises Fenced."""
    started = Started(
        job_id=order.job_id,
        attempt=order.attempt,
        resumed_step=found.step,
        resumed_attempt=found.state.attempt if found.state else None,
        device=describe(at.device),
        precision=learner.precision,
        channels_last=order.spec.recipe.channels_last,
        versions=at.versions,
        skipped=found.skipped,
        at=at.clock(),
    )
    key = layout.started(order.job_id, order.attempt)
    if not create_mine(at.store, key, started.model_dump_json().encode()):
        raise Fenced(f"attempt {order.attempt} of {order.job_id} was started before")
    for reason in found.skipped:
        log.warning("a damaged checkpoint was passed over: %s", reason)
    log.info(
        "attempt %d: %s on %s from step %d of %d; %d workers on %s in %s%s; %s",
        order.attempt,
        order.spec.arch,
        order.spec.dataset,
        started.resumed_step,
        order.spec.iterations,
        order.spec.workers,
        started.device,
        started.precision,
        ", channels last" if started.channels_last else "",
        ", ".join(f"{name} {version}" for name, version in at.versions.items()),
    )
