"""A disk that is full, or read-only, is a 503 that says so; the service stays up and needs no restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.system.writing import Sparing
from tests.api.conftest import LEAST, Service, serving
from tests.disk.tmpfs import Disk, disk
from tests.waiting import until


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "disk", megabytes=8) as made:
        yield made


@pytest.fixture
def database(small: Disk, tmp_path: Path) -> Iterator[Service]:
    """A service whose SQLite is on the small disk."""
    with serving(tmp_path / "data", f"sqlite:///{small.folder}/residual.db") as made:
        yield made


@pytest.fixture
def objects(small: Disk, tmp_path: Path) -> Iterator[Service]:
    """A service whose objects are on the small disk."""
    with serving(tmp_path / "data", storage_url=(small.folder / "objects").as_uri()) as made:
        yield made


def _why(service: Service, *away: str) -> str:
    """What `/readyz` says of the parts that are not ready, as soon as those are just `away`: it writes only
    once in a while, however often it is asked."""

    def look() -> list[str] | None:
        found = _away(service)
        return ["ready", *found.values()] if found.keys() == set(away) else None

    return " ".join(until(look, within_s=2 * Sparing.lasts_s)[1:])


def _away(service: Service) -> dict[str, str]:
    """The parts that are not ready, and why."""
    parts: dict[str, Any] = service.client.get("/readyz").json()["parts"]
    return {name: part["message"] for name, part in parts.items() if not part["ready"]}


def _submit(service: Service) -> tuple[int, str]:
    answer = service.client.post("/jobs", json=LEAST)
    return answer.status_code, answer.json().get("detail", "")


def test_a_full_database_takes_no_jobs_and_shows_those_that_it_has(
    small: Disk, database: Service
) -> None:
    first = database.submit().json()["id"]
    small.fill()
    refused = [_submit(database) for _ in range(20)]
    assert refused[-1] == (
        503,
        "The database cannot be written: its disk is full; free space there, then try again in a moment.",
    )
    assert {status for status, _ in refused} <= {201, 503}
    assert "full" in _why(database, "database")
    assert database.client.get(f"/jobs/{first}").status_code == 200
    assert database.client.get("/jobs").status_code == 200
    small.free()
    assert _submit(database)[0] == 201
    assert not _why(database)
    database.parts.reconciler.tick()
    assert f"{first}-1" in database.cluster.submitted


def test_a_job_whose_order_cannot_be_written_waits_and_starts_when_there_is_room(
    small: Disk, objects: Service
) -> None:
    small.fill()
    job = objects.started()
    assert (job.state, objects.cluster.submitted) == ("starting", {})
    assert "full" in _why(objects, "object_store")
    assert objects.client.get(f"/jobs/{job.id}/metrics").json() == {"points": []}
    small.free()
    objects.parts.reconciler.tick()
    assert list(objects.cluster.submitted) == [f"{job.id}-1"]
    assert not _why(objects)


def test_a_read_only_object_store_is_named_and_read(small: Disk, objects: Service) -> None:
    first = objects.started()
    small.remount(writable=False)
    second = objects.started()
    assert list(objects.cluster.submitted) == [f"{first.id}-1"]
    assert "read-only" in _why(objects, "object_store")
    assert objects.client.get(f"/jobs/{first.id}/logs").status_code == 200
    small.remount(writable=True)
    objects.parts.reconciler.tick()
    assert f"{second.id}-1" in objects.cluster.submitted
    assert not _why(objects)
