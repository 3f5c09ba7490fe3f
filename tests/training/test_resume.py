"""A resumed run is the run that would have been."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.training.small_runs import (
    JOB,
    Killed,
    Until,
    attempt,
    checkpointer,
    hashes,
    kept_steps,
    kill,
    measured,
    order,
    points,
    small_spec,
    started,
)
from trainer.contract import layout
from trainer.contract.attempts import Started
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.objects.local import LocalStore
from trainer.training.endings import Ended
from trainer.training.resume import newest


def killed_after(store: LocalStore, number: int, steps: int) -> None:
    """An attempt that ends without a word; checkpoints every 7 steps."""
    with pytest.raises(Killed):
        attempt(store, order(number), lambda network: Until(network, steps, kill))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalStore, Ended]:
    store = LocalStore(tmp_path_factory.mktemp("undisturbed"))
    return store, attempt(store, order())


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """One with an attempt in it that was killed in step 18: its newest checkpoint is of step 14."""
    store = LocalStore(tmp_path)
    killed_after(store, 1, 17)
    return store


def damage(store: LocalStore, number: int, step: int) -> None:
    path = store.root / layout.checkpoint(JOB, number, step) / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_killed_and_resumed_run_ends_with_the_same_bits(
    store: LocalStore, undisturbed: tuple[LocalStore, Ended]
) -> None:
    whole, expected = undisturbed
    ended = attempt(store, order(2))
    assert started(store, 2).resumed_step == 14
    assert started(store, 2).resumed_attempt == 1
    assert hashes(store, 2, 30) == hashes(whole, 1, 30)
    assert ended.final is not None
    assert expected.final is not None
    assert ended.final.loss == expected.final.loss


def test_every_step_has_its_point_once_over_both_attempts(
    store: LocalStore, undisturbed: tuple[LocalStore, Ended]
) -> None:
    whole, _ = undisturbed
    attempt(store, order(2))
    for split in ("train", "val"):
        counted = [point for point in points(store, 1, split) if point.step <= 14]
        joined = counted + points(store, 2, split)
        expected = points(whole, 1, split)
        assert [point.step for point in joined] == [point.step for point in expected]
        assert [point.loss for point in joined] == [point.loss for point in expected]
        assert [point.top1_error for point in joined] == [point.top1_error for point in expected]


def test_no_checkpoint_is_ahead_of_its_metrics(store: LocalStore) -> None:
    newest = kept_steps(store, 1)[-1]
    assert {point.step for point in points(store, 1)} >= set(range(1, newest + 1))


def test_a_damaged_checkpoint_is_passed_over_and_named(
    store: LocalStore, undisturbed: tuple[LocalStore, Ended]
) -> None:
    damage(store, 1, 14)
    attempt(store, order(2))
    begun = started(store, 2)
    assert begun.resumed_step == 7
    assert len(begun.skipped) == 1
    assert "0000000014/model.safetensors" in begun.skipped[0]
    assert hashes(store, 2, 30) == hashes(undisturbed[0], 1, 30)


def test_a_checkpoint_that_was_not_saved_to_its_end_is_passed_over_and_named(
    store: LocalStore,
) -> None:
    (store.root / layout.checkpoint(JOB, 1, 14) / "manifest.json").unlink()
    killed_after(store, 2, 1)
    assert started(store, 2).resumed_step == 7
    assert started(store, 2).skipped == (
        "step 14 of attempt 1: it was not saved to its end, or has lost its manifest",
    )


def test_a_manifest_of_another_checkpoint_is_never_believed(store: LocalStore) -> None:
    for found in list(store.list(layout.checkpoint(JOB, 1, 7) + "/")):
        store.put(found.key.replace("0000000007", "0000000014"), store.get(found.key))
    killed_after(store, 2, 1)
    assert started(store, 2).resumed_step == 7
    assert "manifest of another checkpoint" in started(store, 2).skipped[0]


def test_without_any_good_checkpoint_a_run_starts_afresh(
    store: LocalStore, undisturbed: tuple[LocalStore, Ended]
) -> None:
    damage(store, 1, 7)
    (store.root / layout.checkpoint(JOB, 1, 14) / "manifest.json").write_text("{")
    attempt(store, order(2))
    assert started(store, 2).resumed_step == 0
    assert started(store, 2).resumed_attempt is None
    assert len(started(store, 2).skipped) == 2
    assert hashes(store, 2, 30) == hashes(undisturbed[0], 1, 30)


def test_a_branch_that_was_given_up_is_never_resumed(store: LocalStore) -> None:
    """Attempt 2 went on from step 7, so what attempt 1 did after that has been replaced."""
    begun = Started(
        job_id=JOB,
        attempt=2,
        resumed_step=7,
        resumed_attempt=1,
        device="cpu",
        precision="fp32",
        channels_last=True,
        versions={},
        at=datetime.now(UTC),
    )
    store.create(layout.started(JOB, 2), begun.model_dump_json().encode())
    killed_after(store, 3, 2)
    assert started(store, 3).resumed_step == 7


def test_a_run_whose_last_step_was_kept_ends_at_once(
    undisturbed: tuple[LocalStore, Ended], tmp_path: Path
) -> None:
    whole, expected = undisturbed
    store = LocalStore(tmp_path)
    for found in whole.list(f"{layout.checkpoints(JOB, 1)}/"):
        store.put(found.key, whole.get(found.key))
    ended = attempt(store, order(2))
    assert ended == expected
    assert points(store, 2) == []


def test_when_the_best_made_way_for_a_damaged_checkpoint_the_best_left_is_it(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    keeping = checkpointer(store)
    for step, error in ((10, 20.0), (20, 30.0), (30, 25.0), (40, 10.0)):
        keeping.save(step, measured(step, error))
    keeping.land()
    assert kept_steps(store, 1) == [30, 40]  # the best of step 10 made way for that of step 40
    damage(store, 1, 40)
    spec = small_spec(iterations=50, recipe="paper-cifar")
    found = newest(store, order(2, spec), spec)
    assert found.step == 30
    assert found.best is not None
    assert (found.best.attempt, found.best.step) == (1, 30)
