"""The driver of one attempt, the entrypoint of its Ray job: reads the order, runs Ray Train, Tune or
Data on it, and commits how it ended. `python -m trainer.run --store URL --job ID --attempt N`
"""

import argparse
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from trainer.contract import attempts, crashes, layout
from trainer.contract.attempts import Halt, Order, Outcome, Started
from trainer.contract.crashes import Point
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore
from trainer.contract.prediction import ResolvedPrediction
from trainer.contract.sweep import ResolvedSweep
from trainer.training import vigil
from trainer.training.parent import die_with_parent
from trainer.training.patience import patiently
from trainer.training.vigil import Vigil

WORKER_SILENCE_S = 30
"""Seconds after which a worker that does not answer counts as lost: it may be frozen, and its machine
with it. The first worker's own lease is as long."""

RAY_TRAIN = {
    "RAY_TRAIN_V2_ENABLED": "1",
    # Seconds between two looks of Ray Train at its workers. At its default of 2 a short run
    # takes twice as long to start and to end.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": str(WORKER_SILENCE_S),
    # One process fewer to start; a lost node is noticed by its workers' death.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


def main() -> None:
    """Exit status 0: the attempt has an outcome, whatever it is. Otherwise it may have none."""
    parser = argparse.ArgumentParser(prog="python -m trainer.run", description="Run one attempt.")
    parser.add_argument("--store", required=True, help="URL of the object store")
    parser.add_argument("--job", required=True)
    parser.add_argument("--attempt", required=True, type=int)
    asked = parser.parse_args()
    die_with_parent(os.getppid())
    store = open_store(asked.store)
    order = patiently(lambda: attempts.read(store, layout.order(asked.job, asked.attempt), Order))
    if order is None:
        sys.exit(f"the store has no order for attempt {asked.attempt} of job {asked.job}")
    if _begun(store, order):
        sys.exit(f"attempt {asked.attempt} of job {asked.job} was started or closed before")
    signs = Vigil(store, asked.job, asked.attempt, "driver", clock=partial(datetime.now, UTC))
    with vigil.kept(signs, looks=False):
        outcome = _halted(store, order) or drive(order, asked.store, store)
        if outcome is None:
            return
        crashes.point(Point.BEFORE_OUTCOME)
        stands = patiently(lambda: attempts.commit_outcome(store, outcome))
        crashes.point(Point.AFTER_OUTCOME)
    print(f"attempt {asked.attempt} of job {asked.job}: {stands.status}")  # noqa: T201


def drive(order: Order, url: str, store: ObjectStore) -> Outcome | None:
    """Do what is ordered; how it ended, or None if it was closed by somebody else meanwhile."""
    for name, value in RAY_TRAIN.items():
        os.environ.setdefault(name, value)
    # Torch and Ray take seconds to import, and an attempt that is over already needs neither.
    import ray

    from trainer.training import logs

    cluster = ray.init("auto", log_to_driver=False, logging_level=logging.WARNING).address_info
    # Ray's own handler unwinds first, for some seconds. A driver that is killed at once has its
    # workers ended by Ray within 0.2 s.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    scratch = Path(cluster["session_dir"], "residual")
    try:
        with logs.kept(store, order, "driver"):
            if isinstance(order.spec, ResolvedSweep):
                from trainer.sweeps.driver import search

                return search(order, url, store, scratch=scratch)
            if isinstance(order.spec, ResolvedPrediction):
                from trainer.predictions.driver import predict

                return predict(order, url, store)
            from trainer.training.driver import fit

            return fit(order, url, scratch=scratch)
    finally:
        ray.shutdown()


def _begun(store: ObjectStore, order: Order) -> bool:
    """Whether the attempt was given up before it began, or runs already."""
    job, number = order.job_id, order.attempt
    closed = patiently(lambda: attempts.read(store, layout.outcome(job, number), Outcome))
    started = patiently(lambda: attempts.read(store, layout.started(job, number), Started))
    return closed is not None or started is not None


def _halted(store: ObjectStore, order: Order) -> Outcome | None:
    """The end of an attempt that was halted before it had any workers."""
    job, number = order.job_id, order.attempt
    halt = patiently(lambda: attempts.read(store, layout.halt(job, number), Halt))
    if halt is None:
        return None
    at = datetime.now(UTC)
    return Outcome(job_id=job, attempt=number, status="halted", reason=halt.reason, at=at)


if __name__ == "__main__":
    main()
