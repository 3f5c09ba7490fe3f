"""Prometheus' own checker, where it is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest


def promtool(*words: str | Path, given: str = "") -> str:
    """What it says of what is right; what it says of anything else fails the test."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool: install Debian's prometheus")
    done = subprocess.run(
        [program, *map(str, words)], input=given, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
