"""One trained and deployed network that the tests of the whole share."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.local.running import Running
from tests.waiting import until

EPOCHS = 2
MODEL = "digits-e2e"


@dataclass(frozen=True)
class Trained:
    """A job that ended, and what its stream of metrics said while it ran."""

    id: str
    job: dict[str, Any]
    streamed: list[dict[str, Any]]
    end: dict[str, Any]


@pytest.fixture(scope="session")
def trained(running: Running) -> Trained:
    job = running.submit(arch="resnet8", dataset="digits", epochs=EPOCHS, register_as=MODEL)
    events = list(server_sent_events(running, f"/jobs/{job}/metrics/stream"))
    points = [json.loads(event["data"]) for event in events if event.get("event") is None]
    end = json.loads(events[-1]["data"])
    return Trained(job, running.job(job), points, end)


def server_sent_events(service: Running, path: str) -> Iterator[dict[str, str]]:
    """Each event of a stream as its fields, until the stream ends."""
    event: dict[str, str] = {}
    with service.http() as http, http.stream("GET", path, timeout=120) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
            elif "data" in event:
                yield event
                event = {}


@pytest.fixture(scope="session")
def served(running: Running, trained: Trained) -> str:
    """The name of a deployed model."""
    assert trained.job["state"] == "succeeded", trained.job["reason"]
    path = f"/models/{MODEL}/deployment"
    with running.http() as http:
        assert http.put(path, json={}).status_code == 202
        until(lambda: http.get(path).json()["state"] == "ready", within_s=90)
    return MODEL
