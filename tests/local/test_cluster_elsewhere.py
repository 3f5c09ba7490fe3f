"""`residual up` on a Ray that somebody else runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.local import ray_record
from service.local.instance import prepare
from service.local.processes import end_marked, mark_of, marked
from service.local.ray_head import launch, token_of
from service.local.ray_record import RayRecord
from tests.local.running import Running, end, start

pytestmark = pytest.mark.ray


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[RayRecord]:
    """A Ray that is still starting, without Ray Serve."""
    places = prepare(tmp_path / "elsewhere")
    process, record = launch(places, ray_record.new_ports())
    ray_record.save(places, record)
    try:
        yield record
    finally:
        end_marked(mark_of(places.data_dir))
        process.wait()
        ray_record.forget(places)


def test_a_service_uses_the_cluster_it_is_given_and_leaves_it_running(
    elsewhere: RayRecord, tmp_path: Path
) -> None:
    service = start(
        tmp_path / "data",
        RESIDUAL_RAY_ADDRESS=elsewhere.address,
        RESIDUAL_RAY_TOKEN=token_of(prepare(tmp_path / "elsewhere")),
        RESIDUAL_SERVE_ADDRESS=elsewhere.serve_address,
    )
    assert cpus(service) >= 2
    assert service.left() == []
    end(service)
    assert marked(mark_of(tmp_path / "elsewhere"))


def cpus(service: Running) -> float:
    with service.http() as http:
        return float(http.get("/cluster").json()["cpus"]["total"])
