"""Promises of settings that come from files, as secrets do in containers."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.cli.client import known_key
from service.settings import Settings


def test_a_setting_can_be_the_content_of_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("secret\n")
    monkeypatch.setenv("RESIDUAL_API_KEY_FILE", str(tmp_path / "key"))
    key = Settings().api_key
    assert key is not None
    assert key.get_secret_value() == "secret"
    assert known_key(tmp_path) == "secret"


def test_what_is_set_wins_over_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("1")
    monkeypatch.setenv("RESIDUAL_PORT_FILE", str(tmp_path / "port"))
    assert Settings().port == 1
    monkeypatch.setenv("RESIDUAL_PORT", "2")
    assert Settings().port == 2
    assert Settings(port=3).port == 3


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RESIDUAL_RAY_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(ValidationError, match=r"RESIDUAL_RAY_TOKEN_FILE: cannot read .*none"):
        Settings()
