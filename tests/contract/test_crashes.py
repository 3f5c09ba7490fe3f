"""Promises of the crash points: they kill where a test says so, and cost nothing elsewhere."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.contract.crashes import SETTING, Point, point

PASS_TWICE = """
from trainer.contract.crashes import Point, point
point(Point.AFTER_INSERT)
print("passed", flush=True)
point(Point.AFTER_INSERT)
"""


def _pass_twice(setting: str) -> tuple[int, str]:
    """Exit status and output of a program that passes a point two times."""
    environment = os.environ | {SETTING: setting}
    ended = subprocess.run(
        [sys.executable, "-c", PASS_TWICE], env=environment, capture_output=True, check=False
    )
    return ended.returncode, ended.stdout.decode().strip()


def test_a_program_dies_by_sigkill_at_the_point_that_is_named() -> None:
    assert _pass_twice("after_insert") == (-signal.SIGKILL, "")


def test_another_point_kills_nobody() -> None:
    assert _pass_twice("after_submit") == (0, "passed")


def test_a_point_with_a_file_kills_once(tmp_path: Path) -> None:
    setting = f"after_insert@{tmp_path / 'once'}"
    assert _pass_twice(setting) == (-signal.SIGKILL, "")
    assert _pass_twice(setting) == (0, "passed")


def test_without_the_setting_every_point_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    for here in Point:
        point(here)
