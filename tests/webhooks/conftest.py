"""Receivers for the tests of webhooks, and a service that may send to one."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.api.conftest import Service, serving, url
from tests.webhooks.receiver import Receiver, receiving

__all__ = ["url"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Receiver]:
    """Another receiver."""
    with receiving() as made:
        yield made


@pytest.fixture
def service(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """A service that may send to the receiver."""
    monkeypatch.setenv("RESIDUAL_WEBHOOK_HOSTS", urlsplit(receiver.url).netloc)
    with serving(tmp_path) as made:
        yield made
