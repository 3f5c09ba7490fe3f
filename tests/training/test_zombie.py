"""An attempt that was given up and does not know it leaves nothing that anybody believes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.training.small_runs import (
    JOB,
    checkpointer,
    kept_steps,
    measured,
    now,
    order,
    small_spec,
)
from trainer.contract import attempts, layout
from trainer.contract.attempts import Outcome, Started
from trainer.contract.objects.local import LocalStore
from trainer.training.checkpoint import Checkpointer
from trainer.training.endings import Fenced
from trainer.training.resume import newest

SPEC = small_spec(iterations=100, recipe="paper-cifar")


@dataclass(frozen=True)
class Suspended(LocalStore):
    """The store of a process that is suspended just before it commits the checkpoint of step 30."""

    meanwhile: Callable[[], None]

    def create(self, key: str, data: bytes) -> None:
        if key == f"{layout.checkpoint(JOB, 1, 30)}/manifest.json":
            self.meanwhile()
        super().create(key, data)


def takes_over(store: LocalStore) -> None:
    """The service gives attempt 1 up; the second goes on from its newest checkpoint, and keeps another."""
    attempts.commit_outcome(store, Outcome(job_id=JOB, attempt=1, status="given_up", at=now()))
    found = newest(store, order(2, SPEC), SPEC)
    begun = Started(
        job_id=JOB,
        attempt=2,
        resumed_step=found.step,
        resumed_attempt=1,
        device="cpu",
        precision="fp32",
        channels_last=False,
        versions={},
        at=now(),
    )
    store.create(layout.started(JOB, 2), begun.model_dump_json().encode())
    successor = checkpointer(store, 2)
    successor.best = found.best
    keep(successor, 25, 40.0)


def keep(keeping: Checkpointer, step: int, top1_error: float) -> None:
    keeping.save(step, measured(step, top1_error))
    keeping.land()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """One in which a zombie has committed the checkpoint of step 30 after its successor began."""
    store = LocalStore(tmp_path)
    zombie = checkpointer(Suspended(tmp_path, lambda: takes_over(store)))
    for step, top1_error in ((5, 20.0), (10, 30.0), (20, 30.0)):
        keep(zombie, step, top1_error)
    with pytest.raises(Fenced):
        keep(zombie, 30, 10.0)
    return store


def test_nobody_goes_on_from_what_a_zombie_committed(store: LocalStore) -> None:
    assert kept_steps(store, 1)[-1] == 30
    found = newest(store, order(3, SPEC), SPEC)
    assert found.state is not None
    assert (found.state.attempt, found.step) == (2, 25)


def test_a_zombie_deletes_nothing_that_its_successor_may_need(store: LocalStore) -> None:
    assert kept_steps(store, 1) == [5, 10, 20, 30]
    best = newest(store, order(3, SPEC), SPEC).best
    assert best is not None
    assert (best.attempt, best.step) == (1, 5)


def test_a_zombie_commits_no_second_checkpoint(store: LocalStore) -> None:
    with pytest.raises(Fenced, match="closed as given_up"):
        keep(checkpointer(store), 40, 10.0)
    assert kept_steps(store, 1)[-1] == 30


def test_a_zombies_outcome_is_refused(store: LocalStore) -> None:
    late = Outcome(job_id=JOB, attempt=1, status="succeeded", at=now())
    assert attempts.commit_outcome(store, late).status == "given_up"
