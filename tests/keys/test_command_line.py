"""`residual keys` against a running service."""

from tests.api.conftest import Service
from tests.keys.command import Command
from tests.keys.project import Project


def test_a_key_is_made_listed_and_deleted(service: Service, url: str) -> None:
    residual = Command(url)
    (key,) = residual.run("keys", "create", "vision", "--name=CI", "--live-jobs=5", "--gpus=0.5")
    assert Project(service, key).ask("GET", "/jobs").status_code == 200
    heading, row = residual.run("keys", "list")
    assert heading.split() == ["id", "project", "live_jobs", "cpus", "gpus", "name"]
    assert row.split()[1:] == ["vision", "5", "0.5", "CI"]
    assert residual.run("keys", "delete", row.split()[0]) == []
    assert Project(service, key).ask("GET", "/jobs").status_code == 401
    assert "no key" in residual.failure("keys", "delete", row.split()[0])
