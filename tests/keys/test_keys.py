"""Keys of projects: who may make them, what they open, and what they do not."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from service.db.tables import KeyRow
from service.models.store import ModelVersion
from tests.api.conftest import KEY, LEAST, Service, serving
from tests.jobs.making import NOW, checkpoint_meta
from tests.keys.project import Project, made


def test_a_key_is_shown_once_and_kept_nowhere(service: Service) -> None:
    key = made(service, name="The vision team")
    secret = key.pop("key")
    assert secret.startswith("rsd_")
    assert len(secret) == len("rsd_") + 43  # 32 bytes
    assert service.client.get("/keys").json() == {"items": [key], "next_cursor": None}
    with service.parts.engine.connect() as connection:
        assert secret not in str(connection.execute(select(*KeyRow.__table__.c)).all())


def test_a_key_opens_its_own_project(vision: Project) -> None:
    assert vision.ask("POST", "/jobs", LEAST).status_code == 201
    assert len(vision.ask("GET", "/jobs").json()["items"]) == 1
    assert vision.service.client.get("/jobs").json()["items"] == []
    assert vision.service.parts.jobs.page("vision").items


def test_a_deleted_key_opens_nothing_from_then_on_whoever_deletes_it(
    service: Service, vision: Project, tmp_path: Path
) -> None:
    (key,) = service.client.get("/keys").json()["items"]
    assert vision.ask("GET", "/jobs").status_code == 200
    with serving(tmp_path) as replica:  # another program on the same database
        assert Project(replica, vision.key).ask("GET", "/jobs").status_code == 200
        assert replica.client.delete(f"/keys/{key['id']}").status_code == 204
        assert Project(replica, vision.key).ask("GET", "/jobs").status_code == 401
    assert vision.ask("GET", "/jobs").status_code == 401
    assert service.client.delete(f"/keys/{key['id']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/keys"), ("GET", "/keys"), ("DELETE", "/keys/key-1")]
)
def test_keys_are_the_administrator_s(vision: Project, method: str, path: str) -> None:
    answer = vision.ask(method, path, {"project": "default"} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "administrator's key" in answer.json()["detail"]
    assert len(vision.service.client.get("/keys").json()["items"]) == 1


def test_a_project_s_key_of_the_administrator_s_project_is_no_administrator_s(
    service: Service,
) -> None:
    key = made(service, project="default")["key"]
    job = service.submit().json()["id"]
    assert Project(service, key).ask("GET", f"/jobs/{job}").status_code == 200
    assert Project(service, key).ask("GET", "/keys").status_code == 401


@pytest.mark.parametrize("key", ["rsd_", "rsd_" + "a" * 43, "rsd_ü", "rsd_\0", f"rsd_{KEY}"])
def test_a_guess_opens_nothing(shared: Service, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode()}
    assert shared.client.get("/jobs", headers=headers).status_code == 401


def test_everything_of_another_project_is_not_there(vision: Project) -> None:
    service = vision.service
    job = service.submit().json()["id"]
    meta = checkpoint_meta(job, 1, 1)
    service.parts.models.store.insert(ModelVersion("default", "digits", 1, "there", meta, NOW))
    service.client.put("/models/digits/deployment", json={})
    for path in ("", "/metrics", "/metrics/stream", "/logs", "/events", "/checkpoints"):
        assert vision.ask("GET", f"/jobs/{job}{path}").status_code == 404
    assert vision.ask("POST", f"/jobs/{job}/cancel").status_code == 404
    for path in ("/models/digits", "/models/digits/deployment"):
        assert vision.ask("GET", path).status_code == 404
        assert vision.ask("DELETE", f"{path}/versions/1").status_code == 404
    assert vision.ask("PUT", "/models/digits/aliases/best", {"version": 1}).status_code == 404
    assert vision.ask("PUT", "/models/digits/deployment", {}).status_code == 404
    assert vision.ask("DELETE", "/models/digits/deployment").status_code == 404
    assert vision.ask("POST", "/models", {"name": "mine", "job": job}).status_code == 404
    assert vision.ask("POST", "/predict?model=digits").status_code in (404, 415)
    for listing in ("/jobs", "/models", "/webhooks"):
        assert vision.ask("GET", listing).json()["items"] == []
    assert [one["job"] for one in vision.ask("GET", "/cluster").json()["queue"]] == [None]
    assert service.client.get("/models/digits/deployment").status_code == 200


def test_an_idempotency_key_is_the_project_s_own(vision: Project) -> None:
    ours = {"Idempotency-Key": "once"}
    first = vision.service.client.post("/jobs", json=LEAST, headers=ours)
    theirs = ours | {"Authorization": f"Bearer {vision.key}"}
    second = vision.service.client.post("/jobs", json=LEAST, headers=theirs)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]


def test_keys_are_listed_by_pages_newest_first(service: Service) -> None:
    ids = [made(service, project=f"project-{n}")["id"] for n in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = service.client.get(f"/keys?limit=2{cursor}").json()
        seen += [key["id"] for key in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"project": "Vision"},
        {"project": "a/b"},
        {"project": "vision", "name": "x" * 201},
        {"project": "vision", "name": "\0"},
        {"project": "vision", "quota": {"live_jobs": -1}},
        {"project": "vision", "quota": {"live_jobs": 1.5}},
        {"project": "vision", "quota": {"gpus": "many"}},
        {"project": "vision", "quota": {"cpus": 1e300}},
        {"project": "vision", "quota": {"memory": 1}},
        {"project": "vision", "admin": True},
    ],
)
def test_a_key_that_cannot_be_meant_is_invalid(shared: Service, body: dict[str, Any]) -> None:
    assert shared.client.post("/keys", json=body).status_code == 422
    assert shared.client.get("/keys").json()["items"] == []


def test_a_database_that_is_away_is_503_for_a_project_s_key_and_not_401(
    vision: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(type(vision.service.parts.keys.store), "project_of", away)
    answer = vision.ask("GET", "/archs")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert vision.service.client.get("/archs").status_code == 200  # the administrator's needs none
