"""Who may call, and where the administrator's key comes from."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from service import auth
from service.http.openapi import operations
from service.settings import Settings
from tests.api.conftest import KEY, LEAST, Service
from trainer.contract.spec import TrainSpec

OPEN = {"/healthz", "/readyz", "/problems/{code}"}


def test_every_route_but_the_open_ones_asks_for_a_key(shared: Service) -> None:
    stranger = {"Authorization": ""}
    for path, method, operation in operations(shared.app.openapi()):
        answer = shared.client.request(method, path, headers=stranger)
        assert (answer.status_code != 401) == (path in OPEN), path
        assert ("security" not in operation) == (path in OPEN), path


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/healthz", "/readyz"])
def test_documentation_and_health_are_open(shared: Service, path: str) -> None:
    assert shared.client.get(path, headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer schlüssel", KEY]
)
def test_anything_but_the_key_is_401_and_says_what_to_send(shared: Service, said: str) -> None:
    answer = shared.client.get("/jobs", headers={"Authorization": said.encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer KEY" in answer.json()["detail"]


def test_the_scheme_s_case_does_not_matter(shared: Service) -> None:
    headers = {"Authorization": f"bearer {KEY}"}
    assert shared.client.get("/jobs", headers=headers).status_code == 200


def test_a_stranger_s_body_is_not_read(shared: Service) -> None:
    answer = shared.client.post("/jobs", content=b"{nope", headers={"Authorization": ""})
    assert answer.status_code == 401


def test_another_project_s_jobs_are_not_there(service: Service) -> None:
    theirs, _ = service.parts.jobs.create("theirs", TrainSpec.model_validate(LEAST))
    for path in ("", "/metrics", "/logs", "/events", "/checkpoints", "/metrics/stream"):
        assert service.client.get(f"/jobs/{theirs.id}{path}").status_code == 404
    assert service.client.post(f"/jobs/{theirs.id}/cancel").status_code == 404
    assert service.client.get("/jobs").json()["items"] == []
    assert [one["job"] for one in service.client.get("/cluster").json()["queue"]] == [None]


def test_the_key_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    key = auth.administrator_key(settings)
    file = tmp_path / "new" / auth.KEY_FILE
    assert len(key) >= 43  # 32 bytes
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert auth.administrator_key(settings) == key
    assert list(file.parent.iterdir()) == [file]


def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: auth.administrator_key(settings), range(32)))
    assert len(keys) == 1


def test_a_key_that_is_set_wins_over_the_kept_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, api_key=SecretStr("mine"))
    assert auth.administrator_key(settings) == "mine"
    assert not (tmp_path / auth.KEY_FILE).exists()
