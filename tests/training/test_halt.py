"""An attempt that is asked to end keeps what it has done, and the next one goes on from there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.small_runs import (
    JOB,
    Until,
    attempt,
    hashes,
    kept_steps,
    now,
    order,
    points,
    progress,
    setting,
    small_spec,
    started,
)
from trainer.contract.attempts import Halt, Order
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code, reason
from trainer.contract.spec import ResolvedSpec
from trainer.training.agreement import Agreement
from trainer.training.attempt import run
from trainer.training.endings import Ended
from trainer.training.group import Group
from trainer.training.vigil import Vigil

HALT = Halt(job_id=JOB, attempt=1, reason=reason(Code.PAUSED_BY_USER, "Asked."), at=now())

PLATEAU = {"schedule": "plateau", "plateau_epochs": 1, "plateau_margin": 100, "warmup_epochs": 0}
LOW_START = {"name": "paper-cifar", "milestones": [], "start_error": 99.9, "start_rate": 0.001}


def wish(vigil: Vigil) -> Callable[[Tensor], Tensor]:
    """Lets the service's wish be heard in the middle of a step."""

    def heard(logits: Tensor) -> Tensor:
        vigil.halt = HALT
        return logits

    return heard


def halted(store: LocalStore, what: Order, *, wished_in: int) -> Ended:
    """An attempt that hears of the wish in its step `wished_in`, from 1; 0 is before all steps."""
    torch.set_num_threads(1)
    assert isinstance(what.spec, ResolvedSpec)
    at = setting(store, what)
    if wished_in == 0:
        at.vigil.halt = HALT
        return run(what, what.spec, at)

    def wrap(network: nn.Module) -> nn.Module:
        return Until(network, wished_in - 1, wish(at.vigil))

    return run(what, what.spec, setting(store, what, wrap=wrap, vigil=at.vigil))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"recipe": PLATEAU, "batch_size": 128, "iterations": 15},
        {"recipe": LOW_START, "batch_size": 16, "iterations": 56},
    ],
    ids=["default", "plateau", "low start"],
)
def test_a_halted_and_resumed_run_ends_with_the_same_bits(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    spec = small_spec(**changes, checkpoint_every={"steps": 7}, input_size=16)
    whole, store = LocalStore(tmp_path / "whole"), LocalStore(tmp_path / "halted")
    expected = attempt(whole, order(1, spec))
    ended = halted(store, order(1, spec), wished_in=12)
    assert ended.halted == HALT.reason
    assert kept_steps(store, 1) == [7, 13]
    resumed = attempt(store, order(2, spec))
    assert started(store, 2).resumed_step == 13
    last = spec.iterations
    assert hashes(store, 2, last) == hashes(whole, 1, last)
    assert progress(store, 2, last) == progress(whole, 1, last)
    assert resumed.halted is None
    assert resumed.final is not None
    assert expected.final is not None
    assert resumed.final.loss == expected.final.loss
    for split in ("train", "val"):
        joined = points(store, 1, split) + points(store, 2, split)
        told = [(point.step, point.loss, point.lr) for point in joined]
        assert told == [(point.step, point.loss, point.lr) for point in points(whole, 1, split)]


def test_the_step_that_is_halted_at_is_not_validated_for_that(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    halted(store, order(), wished_in=5)
    assert points(store, 1, "val") == []
    assert kept_steps(store, 1) == [6]


def test_a_wish_that_comes_with_the_last_step_changes_nothing(tmp_path: Path) -> None:
    spec = small_spec(iterations=9)
    for wished_in in (8, 9):
        store = LocalStore(tmp_path / str(wished_in))
        ended = halted(store, order(1, spec), wished_in=wished_in)
        assert ended.halted is None
        assert ended.final is not None
        assert ended.final.step == 9
        assert kept_steps(store, 1) == [7, 9]


def test_a_wish_from_before_the_first_step_leaves_no_new_checkpoint(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert halted(store, order(), wished_in=0).halted == HALT.reason
    assert (kept_steps(store, 1), points(store, 1)) == ([], [])
    halted(store, order(2), wished_in=5)
    ended = halted(store, order(3), wished_in=0)
    assert ended.halted == HALT.reason
    assert started(store, 3).resumed_step == 6
    assert kept_steps(store, 3) == []


def test_a_run_whose_last_step_was_kept_succeeds_whatever_is_wished(tmp_path: Path) -> None:
    store, spec = LocalStore(tmp_path), small_spec(iterations=3)
    attempt(store, order(1, spec))
    assert halted(store, order(2, spec), wished_in=0).halted is None


def test_one_wish_ends_the_loop_one_step_later() -> None:
    wishes = iter([False, False, True])
    agreement = Agreement(Group(), lambda: next(wishes))
    assert [agreement.goes_on() for _ in range(4)] == [True, True, True, False]
