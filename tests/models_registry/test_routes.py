"""The registry and deployments over HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.models.store import ModelVersion
from tests.api.conftest import Service, serving
from tests.serving.versions import meta
from trainer.contract.checkpoints import Imported

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Client:
    """The real application with two versions of one model."""

    service: Service

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        answer: httpx.Response = self.service.client.request(method, path, json=body)
        return answer

    def refused(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = self.ask(method, path, body)
        assert answer.headers["Content-Type"] == "application/problem+json", answer.text
        return answer.status_code, answer.json()["detail"]

    def body(self, method: str, path: str, body: object = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with serving(tmp_path) as service:
        for number in (1, 2):
            made = ModelVersion("default", "digits", number, f"from-{number}", meta("job-1"), AT)
            service.parts.models.store.insert(made)
        yield Client(service)


def test_a_model_shows_its_versions_and_where_they_came_from(client: Client) -> None:
    model = client.body("GET", "/models/digits")
    assert [version["version"] for version in model["versions"]] == [2, 1]
    newest = model["versions"][0]
    assert (newest["job"], newest["attempt"], newest["step"]) == ("job-1", 1, 10)
    assert newest["arch"] == "resnet8"
    assert newest["metrics"]["top1_error"] == 20
    assert newest["preprocessing"] == meta("job-1").transform.digest
    listed = client.body("GET", "/models")
    assert listed["items"][0]["newest"] == newest
    assert listed["next_cursor"] is None


def test_an_imported_version_shows_its_file_and_no_job(client: Client) -> None:
    found = Imported(file="resnet20.th", sha256="ab" * 32, layout="akamaster")
    unknown = {"job_id": None, "dataset": None, "dataset_fingerprint": None, "seed": None}
    imported = meta("job-1").model_copy(update={"imported": found, **unknown})
    made = ModelVersion("default", "digits", 3, "imports/1", imported, AT)
    client.service.parts.models.store.insert(made)
    newest = client.body("GET", "/models/digits")["versions"][0]
    assert newest["imported"] == found.model_dump()
    assert [newest[name] for name in ("job", "dataset", "dataset_fingerprint", "seed")] == [
        None
    ] * 4
    trained = client.body("GET", "/models/digits")["versions"][1]
    assert (trained["job"], trained["imported"]) == ("job-1", None)


def test_registering_needs_a_job_with_a_checkpoint(client: Client) -> None:
    assert client.refused("POST", "/models", {"name": "digits", "job": "job-none"})[0] == 404
    job = client.service.submit().json()["id"]
    status, detail = client.refused("POST", "/models", {"name": "digits", "job": job})
    assert (status, "wait for its first epoch" in detail) == (409, True)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Digits", "job": "job-1"},
        {"name": "digits"},
        {"name": "digits", "job": "job-1", "checkpoint": 0},
        {"name": "digits", "job": "job-1", "checkpoint": 10**20},
        {"name": "digits", "job": "job-1", "stage": "best"},
        {"name": "../digits", "job": "job-1"},
    ],
)
def test_a_registration_that_cannot_be_meant_is_invalid(client: Client, body: object) -> None:
    assert client.refused("POST", "/models", body)[0] == 422


def test_aliases_are_made_moved_and_deleted(client: Client) -> None:
    path = "/models/digits/aliases/best"
    assert client.body("PUT", path, {"version": 1})["aliases"] == {"best": 1}
    assert client.body("PUT", path, {"version": 2})["aliases"] == {"best": 2}
    assert client.refused("PUT", path, {"version": 3})[0] == 404
    assert client.refused("PUT", path, {"version": "newest"})[0] == 422
    assert client.refused("DELETE", "/models/digits/versions/2")[0] == 409
    assert client.ask("DELETE", path).status_code == 204
    assert client.refused("DELETE", path)[0] == 404
    assert client.ask("DELETE", "/models/digits/versions/2").status_code == 204
    assert client.refused("DELETE", "/models/digits/versions/2")[0] == 404


def test_a_deployment_shows_what_is_wanted_and_what_is(client: Client) -> None:
    path = "/models/digits/deployment"
    assert "PUT /models/digits/deployment" in client.refused("GET", path)[1]
    asked = client.ask("PUT", path, {})
    assert asked.status_code == 202
    shown = client.body("GET", path)
    assert shown == asked.json()
    assert shown["desired"] == {
        "version": 2,
        "alias": None,
        "replicas": {"min": 1, "max": 1, "idle_s": 300},
        "canary": None,
        "protocol": "center",
        "back_from": None,
    }
    assert (shown["state"], shown["version"], shown["serving_version"]) == ("starting", 2, None)
    assert client.body("PUT", path, {"version": 1, "replicas": {"min": 2}})["desired"] == {
        "version": 1,
        "alias": None,
        "replicas": {"min": 2, "max": 2, "idle_s": 300},
        "canary": None,
        "protocol": "center",
        "back_from": None,
    }
    assert client.ask("DELETE", path).status_code == 202
    assert client.refused("GET", path)[0] == 404
    assert client.refused("DELETE", path)[0] == 404


def test_a_deployment_by_alias_follows_it(client: Client) -> None:
    path = "/models/digits/deployment"
    assert client.refused("PUT", path, {"alias": "best"})[0] == 404
    client.body("PUT", "/models/digits/aliases/best", {"version": 1})
    assert client.body("PUT", path, {"alias": "best"})["version"] == 1
    client.body("PUT", "/models/digits/aliases/best", {"version": 2})
    assert client.body("GET", path)["version"] == 2
    assert client.refused("DELETE", "/models/digits/aliases/best")[0] == 409


@pytest.mark.parametrize(
    "body",
    [
        {"version": 1, "alias": "best"},
        {"version": 0},
        {"replicas": {"min": -1}},
        {"replicas": {"min": 2, "max": 1}},
        {"replicas": 2},
        {"canary": {"version": 2, "percent": 10}},
    ],
)
def test_a_deployment_that_cannot_be_meant_is_invalid(client: Client, body: object) -> None:
    assert client.refused("PUT", "/models/digits/deployment", body)[0] == 422


def test_what_is_not_there_is_not_found(client: Client) -> None:
    for path in ("/models/none", "/models/No", "/models/none/deployment"):
        assert client.refused("GET", path)[0] == 404
    assert client.refused("PUT", "/models/none/deployment", {})[0] == 404
    assert client.refused("PUT", "/models/digits/deployment", {"version": 9})[0] == 404
