"""The driver of one attempt, the entrypoint of its Ray job: reads the order, runs Ray Train on it,
and commits how it ended. `python -m trainer.run --store URL --job ID --attempt N`
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from trainer.contract import attempts, layout
from trainer.contract.attempts import Order, Outcome, Started
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore
from trainer.training.patience import patiently

RAY_TRAIN = {
    "RAY_TRAIN_V2_ENABLED": "1",
    # Seconds between two looks of Ray Train at its workers. At its default of 2 a short run
    # takes twice as long to start and to end.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
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
    outcome = drive(order, asked.store, store)
    if outcome is not None:
        stands = patiently(lambda: attempts.commit_outcome(store, outcome))
        print(f"attempt {asked.attempt} of job {asked.job}: {stands.status}")  # noqa: T201


def drive(order: Order, url: str, store: ObjectStore) -> Outcome | None:
    """Do what is ordered; how it ended, or None if it was closed by somebody else meanwhile."""
    os.environ.update(RAY_TRAIN)
    # Torch and Ray take seconds to import, and an attempt that is over already needs neither.
    import ray

    from trainer.training import driver, logs

    cluster = ray.init("auto", log_to_driver=False, logging_level=logging.WARNING).address_info
    # Ray's own handler unwinds first, for some seconds. A driver that is killed at once has its
    # workers ended by Ray within 0.2 s.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with logs.kept(store, order, "driver"):
            return driver.fit(order, url, scratch=Path(cluster["session_dir"], "residual"))
    finally:
        ray.shutdown()


def die_with_parent(parent: int, *, every_s: float = 0.5) -> None:
    """From now on this process ends, the hard way, soon after its parent `parent` did."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _begun(store: ObjectStore, order: Order) -> bool:
    """Whether the attempt was given up before it began, or runs already."""
    job, number = order.job_id, order.attempt
    closed = patiently(lambda: attempts.read(store, layout.outcome(job, number), Outcome))
    started = patiently(lambda: attempts.read(store, layout.started(job, number), Started))
    return closed is not None or started is not None


if __name__ == "__main__":
    main()
