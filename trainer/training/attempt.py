"""One worker's attempt at a job, from an order to its end. Knows no Ray: `worker` calls it."""

import logging
from contextlib import ExitStack

import torch
from pydantic import BaseModel

from trainer.contract import layout
from trainer.contract.attempts import Best, MetricPoint, Order
from trainer.contract.evaluation import Evaluation
from trainer.contract.journal import JournalWriter
from trainer.contract.spec import ResolvedSpec
from trainer.evaluation.scores import Candidate
from trainer.training.announce import announce, programs
from trainer.training.background import BackgroundJournal
from trainer.training.loop import MIN_EVALUATION_BATCH, Learner, rehearse, train
from trainer.training.patience import patiently
from trainer.training.protocol import evaluate
from trainer.training.reporter import Follower, Reporter
from trainer.training.resume import Found, newest
from trainer.training.schedule import Progress
from trainer.training.setup import Setting, load_in_turn, make_checkpointer, make_learner
from trainer.training.snapshot import momentum, restore

log = logging.getLogger(__name__)


class Ended(BaseModel, frozen=True):
    """What a finished attempt came to."""

    final: MetricPoint | None
    best: Best | None
    evaluation: Evaluation | None = None


def run(order: Order, spec: ResolvedSpec, at: Setting) -> Ended:
    """Train what `order` asks, its `spec`, from where the earlier attempts came to.

    Raises Fenced, Diverged, DatasetUnavailable, StoreUnavailable, or torch's own failures.
    """
    learner = make_learner(spec, load_in_turn(spec, at), at)
    found = _resume(order, learner, at)
    step = at.group.number_from_first(found.step, at.device)
    _share_state(learner, step)
    if at.group.first:
        _announce(order, learner, found, at)
    steps = range(step, spec.iterations)
    if steps:
        rehearse(learner, step)
    if at.group.first:
        return _lead(order, learner, steps, found, at)
    train(learner, steps, Follower(at.group, at.clock))
    return Ended(final=None, best=None, evaluation=_by_protocol(learner))


def _lead(order: Order, learner: Learner, steps: range, found: Found, at: Setting) -> Ended:
    """The first worker's part: train, and write down for all."""
    with ExitStack() as closing:
        metrics = JournalWriter(at.store, layout.metrics(order.job_id, order.attempt))
        journal = closing.enter_context(BackgroundJournal(metrics))
        checkpoints = make_checkpointer(order, learner, found.best, journal, at)
        closing.callback(checkpoints.close)
        reporter = Reporter(learner.spec, at.group, journal, checkpoints, at.clock)
        reporter.last = found.metrics
        train(learner, steps, reporter)
        reporter.finish()
        evaluation = _by_protocol(learner)
        return Ended(final=reporter.last, best=checkpoints.best, evaluation=evaluation)


def _by_protocol(learner: Learner) -> Evaluation | None:
    """The result by the protocol that was asked for; None by the center view, which `final` has."""
    spec = learner.spec
    if spec.protocol == "center":
        return None
    candidate = Candidate(
        network=learner.result,
        pixel_mean=learner.pixel_mean,
        transform=learner.dataset.transform,
        images=learner.dataset.val,
    )
    return evaluate(
        [candidate],
        protocol=spec.protocol,
        dataset=spec.dataset,
        batch_size=max(spec.per_worker_batch, MIN_EVALUATION_BATCH),
        precision=learner.precision,
        group=learner.group,
    )


def _resume(order: Order, learner: Learner, at: Setting) -> Found:
    """Only the first worker looks; what it finds reaches the others by `_share_state`."""
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


def _share_state(learner: Learner, step: int) -> None:
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


def _announce(order: Order, learner: Learner, found: Found, at: Setting) -> None:
    """Raises Fenced."""
    spec = learner.spec
    started = announce(
        order,
        at,
        precision=learner.precision,
        channels_last=spec.recipe.channels_last,
        resumed_step=found.step,
        resumed_attempt=found.state.attempt if found.state else None,
        skipped=found.skipped,
    )
    for reason in found.skipped:
        log.warning("a damaged checkpoint was passed over: %s", reason)
    log.info(
        "attempt %d: %s on %s from step %d of %d; %d workers on %s in %s%s; %s",
        order.attempt,
        spec.arch,
        spec.dataset,
        started.resumed_step,
        spec.iterations,
        spec.workers,
        started.device,
        started.precision,
        ", channels last" if started.channels_last else "",
        programs(started),
    )
