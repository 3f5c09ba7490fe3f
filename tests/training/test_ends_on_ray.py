"""How an attempt of two DDP workers ends on a real Ray when it is not let to its last step."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.training.small_runs import JOB, kept_steps, now, order, points, small_spec
from tests.training.test_run_on_ray import Cluster, outcome
from tests.training.test_run_on_ray import cluster as cluster  # noqa: PLC0414 - a fixture
from tests.waiting import until
from trainer.contract import attempts, layout
from trainer.contract.attempts import Halt, Heartbeat, Outcome
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code, reason

pytestmark = pytest.mark.ray

ENDLESS = order(1, small_spec(workers=2, iterations=100_000, checkpoint_every={"steps": 20}))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def ended(workers: list[psutil.Process]) -> Callable[[], bool]:
    return lambda: not any(worker.is_running() for worker in workers)


def has_begun(store: LocalStore) -> bool:
    """Whether the attempt has kept a checkpoint."""
    assert outcome(store, 1) is None, outcome(store, 1)
    return bool(kept_steps(store, 1))


def last_sign(store: LocalStore, who: str) -> Heartbeat:
    found = attempts.read(store, layout.heartbeat(JOB, 1, who), Heartbeat)
    assert found is not None
    return found


def test_an_attempt_that_is_asked_to_end_keeps_a_checkpoint_and_says_why(
    cluster: Cluster, store: LocalStore
) -> None:
    driver = cluster.driver(store, ENDLESS)
    until(lambda: has_begun(store), within_s=120)
    why = reason(Code.PAUSED_BY_USER, "Somebody asked for it.")
    halt = Halt(job_id=JOB, attempt=1, reason=why, at=now())
    store.create(layout.halt(JOB, 1), halt.model_dump_json().encode())
    assert driver.wait(timeout=30) == 0
    found = outcome(store, 1)
    assert found is not None
    assert (found.status, found.reason) == ("halted", why)
    steps = [point.step for point in points(store, 1)]
    assert steps == list(range(1, kept_steps(store, 1)[-1] + 1))
    assert last_sign(store, "driver").ended
    assert last_sign(store, "0").ended
    assert last_sign(store, "0").step == steps[-1]


def test_an_attempt_that_was_closed_ends_though_a_worker_is_frozen(
    cluster: Cluster, store: LocalStore
) -> None:
    driver = cluster.driver(store, ENDLESS)
    until(lambda: has_begun(store), within_s=120)
    workers = cluster.workers()
    workers[-1].suspend()
    given_up = Outcome(job_id=JOB, attempt=1, status="given_up", at=now())
    attempts.commit_outcome(store, given_up)
    assert driver.wait(timeout=60) == 0
    until(ended(workers), within_s=15)
    assert outcome(store, 1) == given_up


@pytest.mark.long
def test_a_worker_that_is_frozen_is_noticed_and_killed(cluster: Cluster, store: LocalStore) -> None:
    driver = cluster.driver(store, ENDLESS, RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S="5")
    until(lambda: has_begun(store), within_s=120)
    workers = cluster.workers()
    workers[-1].suspend()
    assert driver.wait(timeout=60) == 0
    found = outcome(store, 1)
    assert found is not None
    assert found.reason is not None
    assert found.reason.code == Code.WORKER_LOST
    until(ended(workers), within_s=15)


@pytest.mark.long
def test_a_frozen_worker_does_not_outlive_its_driver(cluster: Cluster, store: LocalStore) -> None:
    driver = cluster.driver(store, ENDLESS)
    until(lambda: has_begun(store), within_s=120)
    workers = cluster.workers()
    workers[-1].suspend()
    driver.send_signal(signal.SIGTERM)
    driver.wait(timeout=10)
    until(ended(workers), within_s=10)
    assert outcome(store, 1) is None
