"""Metrics, logs, events and checkpoints of a job, read at rest."""

import csv
import hashlib
import io
from pathlib import Path

import pytest

from service.cluster.cluster import Sighting
from tests.api import attempt
from tests.api.attempt import point
from tests.api.conftest import Service


def test_metrics_show_each_step_once_over_all_attempts(service: Service) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    journal = attempt.metrics(service.objects, job, 1)
    attempt.write(journal, *(point(step) for step in range(1, 8)))
    service.cluster.submitted[f"{job.id}-1"] = Sighting.ENDED  # without a word
    service.parts.reconciler.tick()
    service.parts.reconciler.tick()
    attempt.begin(service.objects, job, 2, resumed_step=5)
    journal = attempt.metrics(service.objects, job, 2)
    attempt.write(journal, *(point(step) for step in range(6, 11)), point(10, "val"))

    def steps(query: str = "") -> list[tuple[int, str]]:
        points = service.client.get(f"/jobs/{job.id}/metrics{query}").json()["points"]
        return [(one["step"], one["split"]) for one in points]

    assert steps() == [(step, "train") for step in range(1, 11)] + [(10, "val")]
    assert steps("?since_step=10") == [(10, "train"), (10, "val")]
    assert steps("?split=val") == [(10, "val")]


def test_metrics_come_as_csv_to_those_who_ask_for_it(service: Service) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    attempt.write(attempt.metrics(service.objects, job, 1), point(1), point(1, "val"))
    answer = service.client.get(f"/jobs/{job.id}/metrics", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["step"], row["split"], row["lr"]) for row in rows] == [
        ("1", "train", "0.1"),
        ("1", "val", ""),
    ]


def test_a_loss_that_is_no_number_is_null_in_json(service: Service) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    attempt.write(attempt.metrics(service.objects, job, 1), point(1, loss=float("nan")))
    points = service.client.get(f"/jobs/{job.id}/metrics").json()["points"]
    assert points[0]["loss"] is None


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("", ["driver up", "epoch 1", "slow disk", "it broke"]),
        ("?rank=0", ["epoch 1", "slow disk"]),
        ("?rank=driver&attempt=1", ["driver up"]),
        ("?level=warning", ["slow disk", "it broke"]),
        ("?q=SLOW", ["slow disk"]),
        ("?attempt=2", []),
    ],
)
def test_the_log_is_text_and_can_be_narrowed(
    service: Service, query: str, messages: list[str]
) -> None:
    job = service.started()
    attempt.log(service.objects, job, 1, "0", ("info", "epoch 1"), ("warning", "slow disk"))
    attempt.log(service.objects, job, 1, "1", ("error", "it broke"))
    attempt.log(service.objects, job, 1, "driver", ("info", "driver up"))
    answer = service.client.get(f"/jobs/{job.id}/logs{query}")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert sorted(line.split("] ")[1] for line in answer.text.splitlines()) == sorted(messages)


def test_events_tell_every_change_of_state(service: Service) -> None:
    job = service.started()
    service.client.post(f"/jobs/{job.id}/cancel")
    events = service.client.get(f"/jobs/{job.id}/events").json()["items"]
    assert [(event["from"], event["to"]) for event in events] == [
        (None, "queued"),
        ("queued", "starting"),
        ("starting", "cancelling"),
    ]
    assert events[2]["reason"]["code"] == "cancelled_by_user"
    assert events[0].keys() == {"time", "from", "to", "reason", "attempt"}


def test_a_checkpoint_s_files_are_listed_and_come_whole(service: Service, tmp_path: Path) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    attempt.checkpoint(service.objects, job, 1, 11, tmp_path)
    found = service.client.get(f"/jobs/{job.id}/checkpoints").json()["items"]
    assert [(one["step"], one["attempt"]) for one in found] == [(11, 1)]
    for file in found[0]["files"]:
        answer = service.client.get(file["url"])
        assert answer.status_code == 200
        assert answer.headers["Content-Length"] == str(file["size"])
        assert answer.headers["ETag"] == f'"{file["sha256"]}"'
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]


@pytest.mark.parametrize(
    "where", ["11/files/order.json", "11/files/manifest.json", "12/files/model.safetensors"]
)
def test_only_listed_files_can_be_downloaded(service: Service, tmp_path: Path, where: str) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    attempt.checkpoint(service.objects, job, 1, 11, tmp_path)
    answer = service.client.get(f"/jobs/{job.id}/checkpoints/{where}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_job_that_has_not_begun_has_nothing_yet(service: Service) -> None:
    links = service.submit().json()["links"]
    assert service.client.get(links["metrics"]).json() == {"points": []}
    assert service.client.get(links["logs"]).text == ""
    assert service.client.get(links["checkpoints"]).json()["items"] == []
