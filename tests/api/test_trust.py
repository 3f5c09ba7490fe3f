"""A service whose object store is away when it starts, and turns out to overwrite what must stay."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from service.lifecycle import State
from tests.api.conftest import Service, serving
from tests.contract.meddler import Meddler, meddling
from tests.contract.seaweed import BUCKET, environment, seaweed
from tests.waiting import until
from trainer.contract import layout

OVERWRITES = "replaced an object that was to be created once"


@pytest.fixture
def meddler(tmp_path: Path) -> Iterator[Meddler]:
    (tmp_path / "seaweed").mkdir()
    with seaweed(tmp_path / "seaweed") as endpoint, meddling(endpoint) as found:
        yield found


def store_of(service: Service) -> dict[str, Any]:
    """What `/readyz` says of it."""
    parts = service.client.get("/readyz").json()["parts"]
    store: dict[str, Any] = parts["object_store"]
    return store


def test_no_job_starts_before_the_store_can_be_trusted(meddler: Meddler, tmp_path: Path) -> None:
    meddler.away, meddler.forgets = True, True
    with (
        patch.dict(os.environ, environment(meddler.endpoint)),
        serving(tmp_path / "data", storage_url=f"s3://{BUCKET}") as service,
    ):
        assert "does not answer" in store_of(service)["message"]
        job_id = service.submit().json()["id"]
        meddler.away = False
        until(lambda: OVERWRITES in store_of(service)["message"], within_s=30)
        service.parts.reconciler.tick()
        assert list(service.objects.list("")) == []
        assert service.cluster.submitted == {}
        meddler.forgets = False
        until(lambda: store_of(service)["ready"], within_s=30)
        service.parts.reconciler.tick()
        assert [found.key for found in service.objects.list("")] == [layout.order(job_id, 1)]
        assert service.job(job_id).state == State.STARTING
