"""Whether the service is well, and what its cluster does."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from service.errors import Unavailable
from service.system.service import check_database
from tests.api.conftest import Service


def test_alive_says_nothing_of_the_parts(service: Service) -> None:
    service.cluster.away = service.serve.away = True
    answer = service.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_every_part_answers(service: Service) -> None:
    answer = service.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["parts"].keys() == {"database", "object_store", "ray", "serve"}


def test_a_part_that_is_away_is_named_and_the_others_are_ready(service: Service) -> None:
    service.cluster.away = True
    answer = service.client.get("/readyz")
    parts = answer.json()["parts"]
    assert answer.status_code == 503
    assert [name for name, part in parts.items() if not part["ready"]] == ["ray"]
    assert parts["ray"]["message"] == "Ray does not answer."


def test_a_database_that_is_away_is_seen_at_once_though_it_was_written_just_before(
    tmp_path: Path,
) -> None:
    there = create_engine(f"sqlite:///{tmp_path}/residual.db")
    check_database(there, lambda: None)
    gone = create_engine(f"sqlite:///{tmp_path}/gone/residual.db")
    with pytest.raises(Unavailable):
        check_database(gone, lambda: None)


def test_the_line_is_shown_in_the_order_in_which_jobs_start(service: Service) -> None:
    big = service.submit(workers=64).json()["id"]
    first = service.submit(workers=4).json()["id"]
    service.parts.reconciler.tick()
    late = service.submit(workers=4).json()["id"]
    urgent = service.submit(workers=4, priority=5).json()["id"]
    service.parts.reconciler.tick()
    cluster = service.client.get("/cluster").json()
    assert cluster["cpus"] == {"total": 4, "free": 4}
    assert [node["address"] for node in cluster["nodes"]] == ["127.0.0.1"]
    assert [one["job"] for one in cluster["queue"]] == [urgent, big, late]
    assert [one["position"] for one in cluster["queue"]] == [1, 2, 3]
    assert "64 CPUs" in cluster["queue"][1]["reason"]["message"]
    assert service.job(first).attempt == 1


def test_a_cluster_that_is_away_is_503(service: Service) -> None:
    service.cluster.away = True
    answer = service.client.get("/cluster")
    assert (answer.status_code, answer.json()["code"]) == (503, "cluster_unavailable")
