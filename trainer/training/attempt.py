"""One worker's attempt at a job, from an order to its end. Knows no Ray: `worker` calls it."""

import logging
from contextlib import ExitStack

from trainer.contract import layout
from trainer.contract.attempts import Order
from trainer.contract.evaluation import Evaluation
from trainer.contract.journal import JournalWriter
from trainer.contract.spec import ResolvedSpec
from trainer.evaluation.scores import Candidate
from trainer.training.announce import announce, programs
from trainer.training.background import BackgroundJournal
from trainer.training.beginning import resume, share_state
from trainer.training.endings import Ended
from trainer.training.learner import Learner
from trainer.training.loop import rehearse, train
from trainer.training.protocol import evaluate
from trainer.training.reporter import Follower, Reporter
from trainer.training.resume import Found
from trainer.training.setup import Setting, load_in_turn, make_checkpointer, make_learner
from trainer.training.tensorboard import EventFiles
from trainer.training.validation import MIN_EVALUATION_BATCH

log = logging.getLogger(__name__)


def run(order: Order, spec: ResolvedSpec, at: Setting) -> Ended:
    """Train what `order` asks, its `spec`, from where the earlier attempts came to.

    Raises Fenced, Halted, Diverged, DatasetUnavailable, StoreUnavailable, or torch's own failures.
    """
    learner = make_learner(spec, load_in_turn(spec, at), at)
    found = resume(order, learner, at)
    step = at.group.number_from_first(found.step, at.device)
    share_state(learner, step)
    if at.group.first:
        _announce(order, learner, found, at)
    steps = _steps(step, learner, at)
    if steps:
        rehearse(learner, step)
    if at.group.first:
        return _lead(order, learner, steps, found, at)
    done = train(learner, steps, Follower(at.group, at.vigil, at.clock))
    if not _over(learner, done):
        return Ended(final=None, best=None)
    return Ended(final=None, best=None, evaluation=_by_protocol(learner, at))


def _steps(first: int, learner: Learner, at: Setting) -> range:
    """What is left to do, counted from 0: nothing if the service wishes the end already, or if it was
    reached early."""
    at.vigil.step = first
    halted = at.group.number_from_first(int(at.vigil.halt is not None), at.device)
    ended = halted or learner.stopping.stopped
    return range(first, first if ended else learner.spec.iterations)


def _over(learner: Learner, done: int) -> bool:
    """Whether the training is complete after `done` steps, and not halted."""
    return done == learner.spec.iterations or learner.stopping.stopped


def _lead(order: Order, learner: Learner, steps: range, found: Found, at: Setting) -> Ended:
    """The first worker's part: train, and write down for all."""
    with ExitStack() as closing:
        metrics = JournalWriter(at.store, layout.metrics(order.job_id, order.attempt))
        beside = EventFiles(at.store, order.job_id, order.attempt)
        journal = closing.enter_context(BackgroundJournal(metrics, beside=beside))
        checkpoints = make_checkpointer(order, learner, found.best, journal, at)
        closing.callback(checkpoints.close)
        reporter = Reporter(learner.spec, at.group, journal, checkpoints, at.vigil, at.clock)
        reporter.last = found.metrics
        done = train(learner, steps, reporter)
        reporter.finish()
        halted = reporter.halted
        if halted is not None and not _over(learner, done):
            log.info("halted after step %d: %s", done, halted.message)
            return Ended(final=reporter.last, best=checkpoints.best, halted=halted)
        stopped = learner.stopping.why(done)
        if stopped is not None:
            log.info("%s", stopped.message)
        return Ended(
            final=reporter.last,
            best=checkpoints.best,
            evaluation=_by_protocol(learner, at),
            stopped=stopped,
        )


def _by_protocol(learner: Learner, at: Setting) -> Evaluation | None:
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
        interrupt=at.vigil.interrupt,
    )


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
        log.warning("a checkpoint was passed over: %s", reason)
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
