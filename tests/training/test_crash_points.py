"""An attempt that dies between two steps that belong together leaves what the next one can go on from."""

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.training.small_runs import (
    JOB,
    attempt,
    hashes,
    kept_steps,
    now,
    order,
    points,
    small_spec,
    started,
)
from tests.training.test_run import drive
from trainer.contract import attempts, layout
from trainer.contract.attempts import Halt, Outcome
from trainer.contract.crashes import SETTING, Point
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code, reason

SPEC = small_spec(iterations=8, checkpoint_every={"steps": 3}, input_size=16)
WHY = reason(Code.CANCELLED_BY_USER, "Somebody asked for it.")


def train(folder: str, crash_at: str) -> None:
    os.environ[SETTING] = crash_at
    attempt(LocalStore(Path(folder)), order(1, SPEC))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    store = LocalStore(tmp_path_factory.mktemp("undisturbed"))
    attempt(store, order(1, SPEC))
    return store


@pytest.mark.parametrize(
    ("point", "kept"),
    [(Point.AFTER_STARTED, []), (Point.AFTER_FILES, []), (Point.AFTER_MANIFEST, [3])],
)
def test_a_run_that_died_there_ends_with_the_same_bits(
    point: Point, kept: list[int], undisturbed: LocalStore, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    process = get_context("spawn").Process(target=train, args=(str(tmp_path), point.value))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert kept_steps(store, 1) == kept
    attempt(store, order(2, SPEC))
    assert started(store, 2).resumed_step == (kept[-1] if kept else 0)
    assert hashes(store, 2, 8) == hashes(undisturbed, 1, 8)
    counted = [
        each.step for each in points(store, 1) if each.step <= started(store, 2).resumed_step
    ]
    assert counted + [each.step for each in points(store, 2)] == list(range(1, 9))


@pytest.mark.parametrize(("point", "stands"), [("before_outcome", False), ("after_outcome", True)])
def test_a_driver_that_died_there_has_said_how_it_ended_or_not(
    point: str, stands: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.put(layout.order(JOB, 1), order().model_dump_json().encode())
    halt = Halt(job_id=JOB, attempt=1, reason=WHY, at=now())
    store.put(layout.halt(JOB, 1), halt.model_dump_json().encode())
    monkeypatch.setenv(SETTING, point)
    assert drive(store).returncode == -signal.SIGKILL
    found = attempts.read(store, layout.outcome(JOB, 1), Outcome)
    assert (found is not None) == stands
