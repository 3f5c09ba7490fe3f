"""The experiments about one attempt at a time, in short."""

from pathlib import Path

import pytest

from tests.chaos import cancels, crash_points, zombies
from trainer.contract.crashes import Point

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.timeout(600)]


def test_a_cancelled_job_leaves_nothing_at_whatever_moment_it_was(tmp_path: Path) -> None:
    result = cancels.run(tmp_path, n=2, seed=5, say=print)
    assert result["violations"] == []
    assert result["moments"] == {"running": 1, "frozen worker": 1}


def test_nobody_believes_an_attempt_that_wakes_up_too_late(tmp_path: Path) -> None:
    result = zombies.run(tmp_path, n=1, seed=2, say=print)
    assert result["violations"] == []
    assert result["frozen"] == {"all": 1}
    assert result["processes_that_went_on"]


def test_a_crash_between_two_steps_neither_loses_nor_doubles_a_job(tmp_path: Path) -> None:
    """One of the points, on the real thing; the tests of the reconciler and of training have them all."""
    result = crash_points.run(tmp_path, n=1, seed=1, say=print, parts=(Point.AFTER_SUBMIT,))
    assert result["violations"] == []
