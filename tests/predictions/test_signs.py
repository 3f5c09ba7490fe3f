"""A worker that is frozen, or none that begins, ends the attempt; nothing else does."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from trainer.contract import layout
from trainer.contract.attempts import LEASE_S
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import StoreUnavailable
from trainer.predictions.signs import BEGIN_WITHIN_S, LOOK_EVERY_S, MOST_DEATHS, Signs
from trainer.training.endings import WorkerLost
from trainer.training.vigil import Vigil

JOB = "job-p"


@dataclass
class Time:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def beat(store: LocalStore, who: str, times: int = 1, *, ended: bool = False) -> Vigil:
    signs = Vigil(store, JOB, 1, who, clock=lambda: datetime.now(UTC))
    for _ in range(times):
        signs.beat(ended=ended)
    return signs


def pass_by(signs: Signs, time: Time, seconds: float) -> None:
    """Looking as often as the driver does."""
    until = time.now + seconds
    while time.now < until:
        time.now += LOOK_EVERY_S
        signs.check()


def test_a_worker_that_falls_silent_is_lost(store: LocalStore) -> None:
    time = Time()
    signs = Signs(store, JOB, 1, time)
    beat(store, "a-worker")
    pass_by(signs, time, LEASE_S)
    with pytest.raises(WorkerLost, match="no sign of life for 30 s"):
        pass_by(signs, time, 2 * LOOK_EVERY_S)


def test_workers_that_beat_or_have_ended_are_not(store: LocalStore) -> None:
    time = Time()
    signs = Signs(store, JOB, 1, time)
    lively = beat(store, "a-worker")
    beat(store, "another", ended=True)
    beat(store, "driver")  # whose signs the service looks for
    beat(store, "0")
    for _ in range(10):
        pass_by(signs, time, LEASE_S - 2 * LOOK_EVERY_S)
        lively.beat()


def test_a_worker_that_was_started_again_counts_anew(store: LocalStore) -> None:
    time = Time()
    signs = Signs(store, JOB, 1, time)
    beat(store, "a-worker", 7)
    pass_by(signs, time, LEASE_S - LOOK_EVERY_S)
    beat(store, "a-worker")  # the same actor in a new process
    pass_by(signs, time, LEASE_S - LOOK_EVERY_S)


def test_workers_that_die_again_and_again_end_the_attempt(store: LocalStore) -> None:
    time = Time()
    signs = Signs(store, JOB, 1, time)
    beat(store, "a-worker", 3)
    for _ in range(MOST_DEATHS):
        pass_by(signs, time, LOOK_EVERY_S)
        beat(store, "a-worker")
    pass_by(signs, time, LOOK_EVERY_S)
    beat(store, "a-worker")
    with pytest.raises(WorkerLost, match="died 6 times"):
        pass_by(signs, time, LOOK_EVERY_S)


def test_an_attempt_that_no_worker_begins_is_lost(store: LocalStore) -> None:
    time = Time()
    signs = Signs(store, JOB, 1, time)
    pass_by(signs, time, BEGIN_WITHIN_S - LOOK_EVERY_S)
    with pytest.raises(WorkerLost, match="no worker began within 300 s"):
        pass_by(signs, time, 2 * LOOK_EVERY_S)


def test_time_in_which_the_driver_slept_is_not_silence(store: LocalStore) -> None:
    time = Time()
    signs = Signs(store, JOB, 1, time)
    beat(store, "a-worker")
    pass_by(signs, time, 2 * LOOK_EVERY_S)
    time.now += 10 * LEASE_S
    signs.check()
    time.now += LOOK_EVERY_S
    signs.check()


def test_a_store_that_is_away_says_nothing_of_anybody(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time()
    signs = Signs(store, JOB, 1, time)
    beat(store, "a-worker")
    pass_by(signs, time, LOOK_EVERY_S)

    def away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "list", away)
        pass_by(signs, time, 2 * LEASE_S)
    pass_by(signs, time, LEASE_S)
    assert store.get(layout.heartbeat(JOB, 1, "a-worker"))
