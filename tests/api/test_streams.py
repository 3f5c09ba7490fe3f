"""Streams: metrics as server-sent events and the log as text, until a job has ended."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from service.lifecycle import Job
from tests.api import attempt
from tests.api.attempt import point
from tests.api.conftest import KEY, Service
from tests.waiting import until
from trainer.contract import layout
from trainer.contract.attempts import MetricPoint
from trainer.contract.journal import JournalWriter
from trainer.contract.objects.store import StoreUnavailable

BEARER = {"Authorization": f"Bearer {KEY}"}


def _begun(service: Service) -> tuple[Job, JournalWriter]:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    return job, attempt.metrics(service.objects, job, 1)


def _end(service: Service, job: Job) -> None:
    attempt.succeed(service.objects, job, 1, step=2)
    service.parts.reconciler.tick()


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and event:
            yield event
            event = {}
        elif name:
            event[name] = value


def _ids(found: list[dict[str, str]]) -> list[str]:
    return [event["id"] for event in found if "id" in event]


def test_an_ended_job_streams_every_point_and_then_the_end(service: Service) -> None:
    job, journal = _begun(service)
    attempt.write(journal, point(1), point(2), point(2, "val"))
    _end(service, job)
    answer = service.client.get(f"/jobs/{job.id}/metrics/stream")
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    found = list(_events(iter(answer.text.splitlines())))
    assert _ids(found) == ["1", "2", "2.val"]
    assert json.loads(found[2]["data"])["split"] == "val"
    assert found[-1] == {"event": "end", "data": '{"state":"succeeded"}'}


@pytest.mark.parametrize(
    ("headers", "query", "ids"),
    [
        ({}, "?since_step=2", ["2", "2.val", "3"]),
        ({}, "?split=val", ["2.val"]),
        ({"Last-Event-ID": "2"}, "", ["2.val", "3"]),
        ({"Last-Event-ID": "2.val"}, "?since_step=1", ["3"]),
        ({"Last-Event-ID": "what?"}, "", ["1", "2", "2.val", "3"]),
    ],
)
def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(
    service: Service, headers: dict[str, str], query: str, ids: list[str]
) -> None:
    job, journal = _begun(service)
    attempt.write(journal, point(1), point(2), point(2, "val"), point(3))
    _end(service, job)
    answer = service.client.get(f"/jobs/{job.id}/metrics/stream{query}", headers=headers)
    assert _ids(list(_events(iter(answer.text.splitlines())))) == ids


def test_points_arrive_while_they_are_written(service: Service, url: str) -> None:
    job, journal = _begun(service)
    attempt.write(journal, point(1))
    stream = httpx.stream("GET", f"{url}/jobs/{job.id}/metrics/stream", headers=BEARER, timeout=30)
    with stream as answer:
        events = _events(answer.iter_lines())
        assert next(events)["id"] == "1"
        attempt.write(journal, point(2))
        assert next(events)["id"] == "2"
        attempt.write(journal, point(2, "val"))
        assert next(events)["id"] == "2.val"
        _end(service, job)
        assert next(events)["event"] == "end"
        assert next(events, None) is None


def test_a_cancelled_job_ends_its_stream(service: Service, url: str) -> None:
    job_id = service.submit(workers=64).json()["id"]
    with httpx.stream("GET", f"{url}/jobs/{job_id}/metrics/stream", headers=BEARER) as answer:
        service.client.post(f"/jobs/{job_id}/cancel")
        end = next(_events(answer.iter_lines()))
    assert end == {"event": "end", "data": '{"state":"cancelled"}'}


def test_a_stream_ends_when_its_client_leaves(service: Service, url: str) -> None:
    job, journal = _begun(service)
    attempt.write(journal, point(1))
    path = f"/jobs/{job.id}/metrics/stream"
    with capture_logs() as logged:
        with httpx.stream("GET", url + path, headers=BEARER) as answer:
            next(_events(answer.iter_lines()))
        until(lambda: path in [entry.get("path") for entry in logged], within_s=10)


def test_a_log_is_followed_to_the_job_s_end(service: Service, url: str) -> None:
    job, _ = _begun(service)
    logs = JournalWriter(service.objects, layout.logs(job.id, 1, "0"))
    with httpx.stream(
        "GET", f"{url}/jobs/{job.id}/logs?follow=true", headers=BEARER, timeout=30
    ) as answer:
        lines = answer.iter_lines()
        for message in ("one", "two", "three"):
            logs.append([_line(message)])
            assert next(lines).endswith(f"[0] {message}")
        _end(service, job)
        assert list(lines) == []


def test_a_store_that_is_away_for_a_moment_ends_no_stream(
    service: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, journal = _begun(service)
    attempt.write(journal, point(1))
    real, failures = service.parts.jobs.history.metrics, iter([StoreUnavailable("gone")])

    def sometimes(*args: Any, **options: Any) -> list[MetricPoint]:
        for failure in failures:
            raise failure
        return real(*args, **options)

    monkeypatch.setattr(service.parts.jobs.history, "metrics", sometimes)
    stream = httpx.stream("GET", f"{url}/jobs/{job.id}/metrics/stream", headers=BEARER)
    with stream as answer:
        assert next(_events(answer.iter_lines()))["id"] == "1"
    assert next(failures, None) is None


def _line(message: str) -> dict[str, Any]:
    time = attempt.AT.isoformat()
    return {"time": time, "level": "info", "rank": "0", "message": message}
