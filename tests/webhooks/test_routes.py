"""Webhooks over HTTP, and that the service itself sends what its jobs come to."""

from pathlib import Path
from typing import Any

import pytest

from service.clock import utc_now
from service.webhooks.outbox import Outbox
from service.webhooks.service import MOST
from tests.api.conftest import Service, serving
from tests.waiting import until
from tests.webhooks.receiver import Receiver, Say
from tests.webhooks.test_delivery import documented


def made(service: Service, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    answer = service.client.post("/webhooks", json={"url": receiver.url} | fields)
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()
    return webhook


def listed(service: Service) -> list[dict[str, Any]]:
    answer = service.client.get("/webhooks").json()
    assert answer["next_cursor"] is None
    items: list[dict[str, Any]] = answer["items"]
    return items


def due(service: Service) -> list[str]:
    """Webhooks that something is to be sent to."""
    return Outbox(service.parts.engine).webhooks_due(utc_now())


def test_the_secret_is_shown_once(service: Service, receiver: Receiver) -> None:
    webhook = made(service, receiver, states=["failed", "succeeded", "failed"])
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert webhook["states"] == ["failed", "succeeded"]
    assert listed(service) == [webhook]
    assert secret not in service.client.get("/webhooks").text


def test_what_becomes_of_a_job_reaches_the_receiver_signed(
    service: Service, receiver: Receiver
) -> None:
    webhook = made(service, receiver, states=["queued"])
    job = service.submit().json()["id"]
    service.parts.reconciler.tick()
    until(lambda: receiver.got, within_s=10)
    (got,) = receiver.got
    assert (got.data["job"], got.data["from"], got.data["to"]) == (job, None, "queued")
    assert documented()(webhook["secret"], got.headers, got.body)
    until(lambda: listed(service)[0]["last_delivery"], within_s=10)
    last = listed(service)[0]["last_delivery"]
    assert (last["job"], last["state"], last["tries"], last["error"]) == (job, "queued", 1, None)
    assert last["delivered_at"]


def test_a_test_message_shows_what_the_receiver_says(service: Service, receiver: Receiver) -> None:
    webhook = made(service, receiver)
    path = f"/webhooks/{webhook['id']}/test"
    receiver.says = [Say(202, b"thank you"), Say(500, b"no")]
    answers = [service.client.post(path).json() for _ in range(2)]
    assert answers[0] == {"delivered": True, "status": 202, "said": "thank you"}
    assert answers[1] == {"delivered": False, "status": 500, "said": "no"}
    for got in receiver.got:
        assert got.data == {"webhook": webhook["id"]}
        assert documented()(webhook["secret"], got.headers, got.body)


def test_a_host_that_is_not_listed_is_refused_and_the_answer_says_how_to_list_it(
    service: Service,
) -> None:
    answer = service.client.post("/webhooks", json={"url": "https://example.com/hook"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "RESIDUAL_WEBHOOK_HOSTS=example.com:443" in answer.json()["detail"]
    assert answer.json()["errors"][0]["loc"] == ["body", "url"]
    assert listed(service) == []


def test_a_webhook_that_cannot_be_meant_is_invalid(service: Service, receiver: Receiver) -> None:
    wrong: list[dict[str, Any]] = [
        {"states": []},
        {"states": ["done"]},
        {"url": 1},
        {"key": "mine"},
    ]
    for fields in wrong:
        answer = service.client.post("/webhooks", json={"url": receiver.url} | fields)
        assert answer.status_code == 422, fields
    assert listed(service) == []


def test_a_project_has_so_many_webhooks_at_most(service: Service, receiver: Receiver) -> None:
    for _ in range(MOST):
        made(service, receiver)
    answer = service.client.post("/webhooks", json={"url": receiver.url})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "delete one" in answer.json()["detail"]


def test_a_deleted_webhook_is_told_nothing_more(service: Service, receiver: Receiver) -> None:
    path = f"/webhooks/{made(service, receiver)['id']}"
    service.submit()
    assert len(due(service)) == 1
    assert service.client.delete(path).status_code == 204
    assert listed(service) == []
    assert due(service) == []
    assert service.client.delete(path).status_code == 404


def test_another_project_s_webhook_is_not_there(service: Service, receiver: Receiver) -> None:
    theirs = service.parts.webhooks.create("theirs", receiver.url)
    assert listed(service) == []
    assert service.client.delete(f"/webhooks/{theirs.id}").status_code == 404
    assert service.client.post(f"/webhooks/{theirs.id}/test").status_code == 404
    service.submit()
    assert due(service) == []
    assert len(service.parts.webhooks.list("theirs")) == 1


def test_what_is_not_there_is_not_found(service: Service) -> None:
    for name in ("none", "No", "a%00b", "🚀"):
        assert service.client.delete(f"/webhooks/{name}").status_code == 404
        assert service.client.post(f"/webhooks/{name}/test").status_code == 404


def test_a_setting_that_names_no_host_keeps_the_service_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIDUAL_WEBHOOK_HOSTS", "https://example.com/hook")
    with pytest.raises(ValueError, match="neither a host nor host:port"), serving(tmp_path):
        pass
