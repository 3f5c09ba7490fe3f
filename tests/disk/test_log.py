"""A log whose disk is full loses lines, and nothing else."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from service.cli.logs import log_to_stderr
from tests.api.conftest import serving


def test_requests_are_answered_while_the_log_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, answers = structlog.get_config(), list[int]()
    with (
        suppress(OSError),
        Path("/dev/full").open("w", buffering=1) as full,
    ):  # nor can it be closed
        monkeypatch.setattr(sys, "stderr", full)
        log_to_stderr()
        with serving(tmp_path / "data") as service:
            answers.append(service.client.get("/healthz").status_code)
            answers.append(service.submit().status_code)
    structlog.configure(**before)
    assert answers == [200, 201]
