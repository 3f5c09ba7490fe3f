"""What the running service logs: lines of JSON that name the job and the request, and no secret."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from service.cli.logs import log_to_stderr
from service.webhooks.signing import PREFIX
from tests.api.conftest import KEY, Service, serving
from trainer.contract.objects.store import StoreUnavailable

METRICS_KEY = "the-key-of-prometheus"
RAY_TOKEN = "the-token-of-ray"


class Log(io.StringIO):
    """Standard error, where it is no terminal."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == event]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    before, log = structlog.get_config(), Log()
    monkeypatch.setattr(sys, "stderr", log)
    log_to_stderr()
    yield log
    structlog.configure(**before)


@pytest.fixture
def service(log: Log, tmp_path: Path) -> Iterator[Service]:
    with serving(
        tmp_path,
        webhook_hosts="127.0.0.1",
        metrics_key=SecretStr(METRICS_KEY),
        ray_token=SecretStr(RAY_TOKEN),
    ) as made:
        yield made


def test_every_line_is_an_object_with_a_time_and_a_level(service: Service, log: Log) -> None:
    service.submit()
    service.parts.reconciler.tick()
    assert log.lines()
    assert all(line.keys() >= {"event", "timestamp", "level"} for line in log.lines())


def test_the_log_tells_a_jobs_life(service: Service, log: Log) -> None:
    job = service.started()
    service.client.post(f"/jobs/{job.id}/cancel")
    told = [(line["was"], line["now"], line["attempt"]) for line in log.of("job_moved")]
    assert told == [
        (None, "queued", 0),
        ("queued", "starting", 1),
        ("starting", "cancelling", 1),
    ]
    assert {line["job"] for line in log.of("job_moved")} == {job.id}


def test_what_the_reconciler_says_of_a_job_names_it_and_its_attempt(
    service: Service, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = service.started()

    def away(*_: object) -> None:
        raise StoreUnavailable("the disk is away")

    monkeypatch.setattr(service.parts.reconciler.attendant.lookout.signs, "of", away)
    service.parts.reconciler.tick()
    (line,) = log.of("reconcile_failed")
    assert (line["job"], line["attempt"]) == (job.id, 1)


def test_lines_and_problems_of_a_request_have_its_id(service: Service, log: Log) -> None:
    answer = service.client.post("/jobs", json={"arch": "resnet8", "dataset": "digits"})
    moved = log.of("job_moved")[0]
    assert moved["request_id"] == answer.headers["X-Request-Id"]
    refused = service.client.get("/jobs/job-of-nobody", headers={"X-Request-Id": "mine"})
    assert refused.json()["request_id"] == "mine"


def test_no_secret_is_logged(service: Service, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    client = service.client
    made = client.post("/keys", json={"project": "vision"}).json()["key"]
    hook = client.post("/webhooks", json={"url": "http://127.0.0.1:9/hook"}).json()["secret"]
    for key in (made, METRICS_KEY, "a-wrong-key"):
        client.get("/jobs", headers={"Authorization": f"Bearer {key}"})
        client.get(f"/jobs?key={key}")

    def fail(*_: object, **__: object) -> None:
        secret = KEY  # a local variable of a trace
        raise RuntimeError(f"of {len(secret)} letters")

    monkeypatch.setattr(type(service.parts.jobs), "page", fail)
    client.get("/jobs")
    monkeypatch.setattr(type(service.parts.reconciler.attendant.store), "holding", fail)
    service.parts.reconciler._safely("tick", service.parts.reconciler.tick)
    assert log.of("request_failed")
    assert log.of("reconcile_failed")
    for secret in (KEY, METRICS_KEY, RAY_TOKEN, made, hook, hook.removeprefix(PREFIX)):
        assert secret not in log.getvalue()
    assert "Bearer" not in log.getvalue()
