"""A training that gets no better ends early, at the same step however often it was interrupted."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.small_runs import (
    JOB,
    Killed,
    Until,
    attempt,
    hashes,
    kept_steps,
    kill,
    order,
    points,
    small_spec,
    started,
)
from trainer.contract import checkpoints, layout
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code
from trainer.training.snapshot import read_state
from trainer.training.stopping import Standstill, Stopping

NEVER_BETTER = {"metric": "loss", "patience": 2, "min_change": 100}
SPEC = small_spec(batch_size=256, iterations=40, input_size=16, early_stopping=NEVER_BETTER)
"""Epochs of 5 steps: the first value stands, and the next two are not better."""
STOPS_AT = 15


def stopping(**asked: object) -> Stopping:
    return Stopping(small_spec(early_stopping=asked))


def tally(wrong: float, *, five: float = 0, loss: float = 0) -> Tensor:
    """Of 200 images."""
    return torch.tensor([loss * 200, wrong * 2, five * 2, 200], dtype=torch.float64)


def standstill(store: LocalStore, number: int, step: int) -> Standstill:
    prefix = layout.checkpoint(JOB, number, step)
    return read_state(store.root / prefix / checkpoints.STATE).standstill


def test_a_training_that_asks_for_none_never_ends_early() -> None:
    free = Stopping(small_spec())
    assert not any(free.validated(tally(50)) for _ in range(100))


def test_it_ends_when_so_many_validations_in_a_row_were_not_better() -> None:
    stop = stopping(patience=3)
    errors = [50, 40, 40, 41, 39, 39, 45, 39]
    assert [stop.validated(tally(error)) for error in errors] == [False] * 7 + [True]
    assert stop.stopped


def test_a_value_that_is_lower_by_too_little_is_not_better() -> None:
    stop = stopping(patience=2, min_change=1.0)
    assert [stop.validated(tally(error)) for error in (50, 49, 48)] == [False, False, False]
    assert stop.state == Standstill(lowest=48)
    assert [stop.validated(tally(error)) for error in (47.5, 47.0)] == [False, True]


@pytest.mark.parametrize("metric", ["top5_error", "loss"])
def test_what_is_asked_for_decides(metric: str) -> None:
    stop = stopping(metric=metric, patience=1)
    assert not stop.validated(tally(50, five=10, loss=2))
    assert not stop.validated(tally(60, five=9, loss=1))
    assert stop.validated(tally(0, five=9, loss=1))


def test_a_run_that_ended_early_counts_anew_only_when_it_was_made_longer() -> None:
    ended = Standstill(lowest=3, since=2, ended=30)
    same, longer = stopping(patience=2), Stopping(small_spec(iterations=60))
    same.resume(ended)
    longer.resume(ended)
    assert same.stopped
    assert longer.state == Standstill()
    on_its_way = Standstill(lowest=3, since=1)
    longer.resume(on_its_way)
    assert longer.state == on_its_way


def test_it_keeps_a_checkpoint_of_the_step_it_ends_at_and_says_why(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    ended = attempt(store, order(1, SPEC))
    assert kept_steps(store, 1)[-1] == STOPS_AT
    assert [point.step for point in points(store, 1, "val")] == [5, 10, 15]
    assert ended.final is not None
    assert ended.final.step == STOPS_AT
    assert ended.halted is None
    assert ended.stopped is not None
    assert ended.stopped.code is Code.COMPLETED
    assert f"at step {STOPS_AT} of 40: loss came to" in ended.stopped.message
    assert "not lower by more than 100 in 2 validations in a row" in ended.stopped.message


@pytest.mark.parametrize("killed_in", [12, 14])
def test_a_killed_and_resumed_run_ends_at_the_same_step_with_the_same_bits(
    tmp_path: Path, killed_in: int
) -> None:
    whole, store = LocalStore(tmp_path / "whole"), LocalStore(tmp_path / "killed")
    attempt(whole, order(1, SPEC))
    with pytest.raises(Killed):
        attempt(store, order(1, SPEC), lambda network: Until(network, killed_in, kill))
    ended = attempt(store, order(2, SPEC))
    assert started(store, 2).resumed_step in {7, 14}
    assert ended.final is not None
    assert ended.final.step == STOPS_AT
    assert hashes(store, 2, STOPS_AT) == hashes(whole, 1, STOPS_AT)
    assert standstill(store, 2, STOPS_AT) == standstill(whole, 1, STOPS_AT)


def test_one_that_ended_and_could_not_say_so_does_no_more_steps(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first = attempt(store, order(1, SPEC))
    again = attempt(store, order(2, SPEC))
    assert points(store, 2) == []
    assert (again.final, again.best, again.stopped) == (first.final, first.best, first.stopped)


def test_one_that_is_extended_counts_anew(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    attempt(store, order(1, SPEC))
    longer = SPEC.model_copy(update={"iterations": 60, "epochs": 12})
    ended = attempt(store, order(2, longer))
    assert started(store, 2).resumed_step == STOPS_AT
    assert ended.final is not None
    assert ended.final.step == 2 * STOPS_AT
    assert standstill(store, 2, 2 * STOPS_AT).ended == 60


def test_a_run_whose_last_validation_is_one_too_many_did_all_its_steps(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"iterations": STOPS_AT, "epochs": 3})
    ended = attempt(LocalStore(tmp_path), order(1, spec))
    assert ended.stopped is None
