"""The whole service on a small disk that fills up while a job trains, and is freed again."""

from pathlib import Path
from typing import Any

import pytest

from tests.disk.tmpfs import disk
from tests.local.running import Running, end, start
from tests.waiting import until

pytestmark = [pytest.mark.ray, pytest.mark.long]

BODY: dict[str, Any] = {
    **{"arch": "resnet8", "dataset": "digits", "epochs": 15, "workers": 1},
    **{"checkpoint_every": {"steps": 5}},
}


def _not_ready(service: Running) -> set[str]:
    with service.http() as http:
        parts = http.get("/readyz").json()["parts"]
    return {name for name, part in parts.items() if not part["ready"]}


def _submit(service: Running) -> int:
    with service.http() as http:
        return http.post("/jobs", json=BODY | {"epochs": 1}).status_code


def test_a_job_outlives_a_full_disk_and_so_does_the_service(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", megabytes=24) as small:
        service = start(
            tmp_path / "data",
            RESIDUAL_DATABASE_URL=f"sqlite:///{small.folder}/residual.db",
            RESIDUAL_STORAGE_URL=(small.folder / "objects").as_uri(),
        )
        try:
            job = service.submit(**BODY)
            until(lambda: service.step(job) > 10, within_s=120)
            small.fill()
            until(lambda: _not_ready(service) >= {"database", "object_store"}, within_s=60)
            assert _submit(service) == 503
            assert service.job(job)["state"] == "running"
            small.free()
            until(lambda: not _not_ready(service), within_s=60)
            ended = service.until_ended(job, within_s=240)
            assert (ended["state"], ended["attempt"]) == ("succeeded", 1)
            assert _submit(service) == 201
        finally:
            end(service)
