"""Failures of the service's own parts, and the tree of errors that everything is said with."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from service.problems import kinds
from tests.api.conftest import KEY, Service
from tests.waiting import until
from trainer.contract.objects.store import StoreUnavailable


def _raise(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def test_an_unexpected_failure_is_a_problem_without_a_trace_and_is_logged_with_its_id(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(service.parts.jobs), "page", _raise(RuntimeError("secret detail")))
    with capture_logs() as logged:
        answer = service.client.get("/jobs")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    request_id = answer.headers["X-Request-Id"]
    assert request_id in answer.json()["detail"]
    assert "secret" not in answer.text
    failure = next(entry for entry in logged if entry["event"] == "request_failed")
    assert failure["request_id"] == request_id
    assert "secret detail" in failure["traceback"]
    assert KEY not in str(logged)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (StoreUnavailable("disk full"), "storage_unavailable"),
        (OperationalError("SELECT", {}, Exception("locked")), "unavailable"),
    ],
)
def test_a_part_that_is_away_is_503_and_says_when_to_ask_again(
    service: Service, monkeypatch: pytest.MonkeyPatch, failure: Exception, code: str
) -> None:
    monkeypatch.setattr(type(service.parts.jobs), "page", _raise(failure))
    answer = service.client.get("/jobs")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert int(answer.headers["Retry-After"]) > 0


def test_every_problem_s_type_explains_itself(shared: Service) -> None:
    for code, kind in kinds().items():
        explained = shared.client.get(f"/problems/{code}").json()
        assert (explained["code"], explained["status"]) == (code, kind.error.status)
    assert shared.client.get("/problems/unheard-of").status_code == 404


def test_a_client_s_request_id_is_kept_if_it_is_one(shared: Service) -> None:
    kept = shared.client.get("/healthz", headers={"X-Request-Id": "trace-1"})
    made = shared.client.get("/healthz", headers={"X-Request-Id": "not one; really"})
    assert kept.headers["X-Request-Id"] == "trace-1"
    assert made.headers["X-Request-Id"] != "not one; really"


def test_every_request_is_logged_once(shared: Service) -> None:
    with capture_logs() as logged:
        shared.client.get("/archs")
    assert [(entry["path"], entry["status"]) for entry in logged] == [("/archs", 200)]


def test_the_reconciler_runs_while_the_application_does(service: Service) -> None:
    with TestClient(service.app, headers=dict(service.client.headers)) as client:
        job = client.post("/jobs", json={"arch": "resnet8", "dataset": "digits"}).json()
        here = job["links"]["self"]
        until(lambda: client.get(here).json()["state"] == "starting", within_s=10)
    assert service.cluster.submitted
