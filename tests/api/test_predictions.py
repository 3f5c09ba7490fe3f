"""Batch predictions over HTTP: submitted, refused, planned, and their output read."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.cli.batch import fetch
from service.cli.client import Client
from service.cli.failure import CommandFailed
from service.lifecycle import Job
from service.models.store import ModelVersion
from tests.api import attempt
from tests.api.conftest import KEY, Service, serving
from tests.jobs.making import NOW, checkpoint_meta
from trainer.contract import attempts, layout, parts
from trainer.contract.attempts import Advance, Outcome
from trainer.contract.parts import Part
from trainer.contract.prediction import Predictions

LEAST = {"kind": "predict", "model": "digits", "dataset": "digits"}
FILES = (b"the first rows", b"and the rest")
CAME_TO = Predictions(model="digits:1", images=360, errors=4, files=2)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with one version of the model `digits`, and images in a folder."""
    with serving(tmp_path) as made:
        version = ModelVersion("default", "digits", 1, "there", checkpoint_meta("job-1", 1, 1), NOW)
        made.parts.models.store.insert(version)
        made.objects.put(layout.inputs("default", "holiday/a.png"), b"a picture")
        yield made


def started(service: Service, **fields: Any) -> Job:
    answer = service.client.post("/jobs", json=LEAST | fields)
    assert answer.status_code == 201, answer.text
    service.parts.reconciler.tick()
    return service.job(answer.json()["id"])


def write(service: Service, job: Job, number: int) -> Part:
    """One of FILES as a part, which need not be Parquet here."""
    data = FILES[number]
    service.objects.create(layout.part(job.id, number), data)
    part = Part(number=number, file=parts.entry(number, data), images=180, errors=4 * number)
    service.objects.create(layout.done(job.id, number), part.model_dump_json().encode())
    return part


def finish(service: Service, job: Job, written: list[Part]) -> None:
    parts.finish(service.objects, job.id, written, at=datetime.now(UTC))
    done = Outcome(job_id=job.id, attempt=1, status="succeeded", predictions=CAME_TO, at=NOW)
    attempts.commit_outcome(service.objects, done)


def test_a_prediction_shows_how_far_it_is_and_what_it_came_to(service: Service) -> None:
    job = started(service, name="what is on them", top_k=3)
    assert job.spec.name == "what is on them"
    attempt.begin(service.objects, job, 1)
    service.parts.reconciler.tick()
    said = Advance(images=180, of=360, images_per_second=90.0)
    service.objects.put(layout.progress(job.id, 1), said.model_dump_json().encode())
    service.parts.reconciler._last.clear()  # it is time to look
    service.parts.reconciler.tick()
    shown = service.client.get(f"/jobs/{job.id}").json()
    assert shown["progress"] == {
        "epoch": 1,
        "epochs": 1,
        "step": 180,
        "steps": 360,
        "images_per_second": 90.0,
        "eta_s": 2.0,
    }
    finish(service, job, [write(service, job, number) for number in (0, 1)])
    service.parts.reconciler.tick()
    shown = service.client.get(f"/jobs/{job.id}").json()
    assert (shown["kind"], shown["state"]) == ("predict", "succeeded")
    assert shown["reason"]["message"] == "All images are classified."
    assert shown["result"]["predictions"] == CAME_TO.model_dump(mode="json")


def test_its_files_are_listed_as_they_become_whole(service: Service) -> None:
    job = started(service)
    link = service.client.get(f"/jobs/{job.id}").json()["links"]["predictions"]
    empty = service.client.get(link).json()
    assert (empty["complete"], empty["images"], empty["files"]) == (False, 0, [])
    first = write(service, job, 0)
    service.objects.create(layout.part(job.id, 1), FILES[1])  # it is not marked as whole yet
    answer = service.client.get(link)
    found = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (found["complete"], found["images"], found["errors"]) == (False, 180, 0)
    assert (found["prefix"], found["model"]) == (f"jobs/{job.id}/predictions", "digits:1")
    assert found["files"] == [
        {
            "name": "part-000000.parquet",
            "size": len(FILES[0]),
            "sha256": hashlib.sha256(FILES[0]).hexdigest(),
            "url": f"{link}/files/part-000000.parquet",
            "images": 180,
            "errors": 0,
        }
    ]
    service.objects.delete(layout.part(job.id, 1))
    finish(service, job, [first, write(service, job, 1)])
    whole = service.client.get(link).json()
    assert (whole["complete"], whole["images"], whole["errors"]) == (True, 360, 4)
    assert [file["name"] for file in whole["files"]] == [
        "part-000000.parquet",
        "part-000001.parquet",
    ]


def test_a_file_is_downloaded_whole_or_in_part(service: Service) -> None:
    job = started(service)
    part = write(service, job, 0)
    url = service.client.get(f"/jobs/{job.id}/predictions").json()["files"][0]["url"]
    answer = service.client.get(url)
    assert (answer.content, answer.headers["ETag"]) == (FILES[0], f'"{part.file.sha256}"')
    piece = service.client.get(url, headers={"Range": "bytes=4-8"})
    assert (piece.status_code, piece.content) == (206, FILES[0][4:9])
    assert service.client.head(url).headers["Content-Length"] == str(len(FILES[0]))


def test_what_is_not_as_it_was_written_is_not_listed(service: Service) -> None:
    job = started(service)
    finish(service, job, [write(service, job, number) for number in (0, 1)])
    service.objects.put(f"{layout.predictions(job.id)}/manifest.json", b'{"files": []}')
    service.objects.put(layout.done(job.id, 1), b"nothing")
    found = service.client.get(f"/jobs/{job.id}/predictions").json()
    assert (found["complete"], [file["name"] for file in found["files"]]) == (
        False,
        ["part-000000.parquet"],
    )
    path = f"/jobs/{job.id}/predictions/files/part-000001.parquet"
    assert service.client.get(path).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "part-000001.parquet",
        "part-1.parquet",
        "part-².parquet",
        "listing.jsonl",
        "..%2fmanifest.json",
        "done",
    ],
)
def test_only_what_is_listed_can_be_downloaded(service: Service, name: str) -> None:
    job = started(service)
    write(service, job, 0)
    service.objects.put(layout.listing(job.id), b"")
    answer = service.client.get(f"/jobs/{job.id}/predictions/files/{name}")
    assert answer.status_code == 404


def test_another_projects_predictions_are_not_there(service: Service) -> None:
    job = started(service)
    write(service, job, 0)
    made = service.client.post("/keys", json={"project": "another", "name": "theirs"})
    theirs = {"Authorization": f"Bearer {made.json()['key']}"}
    for path in ("", "/files/part-000000.parquet"):
        answer = service.client.get(f"/jobs/{job.id}/predictions{path}", headers=theirs)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for fields in ({"model": "digits"}, {"source": "holiday", "dataset": None}):
        refused = service.client.post("/jobs", json=LEAST | fields, headers=theirs)
        assert (refused.status_code, "no model 'digits'" in refused.text) == (422, True)


def test_what_is_no_prediction_has_none(service: Service) -> None:
    job = service.submit().json()["id"]
    answer = service.client.get(f"/jobs/{job}/predictions")
    assert (answer.status_code, "is no prediction" in answer.text) == (404, True)


def test_a_dry_run_plans_a_prediction(service: Service) -> None:
    body = {
        "kind": "predict",
        "model": "digits",
        "source": "holiday",
        "workers": {"min": 1, "max": 2},
    }
    plan = service.client.post("/jobs?dry_run=true", json=body).json()
    assert plan["parameters"] == 269_722
    assert plan["multiply_adds"] == 40_551_040
    assert (plan["demand"]["cpus"], plan["least_demand"]["cpus"]) == (2, 1)
    spec = plan["spec"]
    assert (spec["source"], spec["prefix"]) == ("holiday", "inputs/default/holiday")
    assert (spec["top_k"], spec["batch_size"], spec["rows_per_file"]) == (5, 64, 512)
    assert "inputs/default/holiday/ when it begins" in " ".join(plan["notes"])
    assert service.client.get("/jobs").json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "at", "hint"),
    [
        ({"dataset": None}, "", "either 'dataset' or 'source'"),
        ({"source": "holiday"}, "", "either 'dataset' or 'source'"),
        (
            {"dataset": None, "source": "holiday", "split": "val"},
            "",
            "'split' belongs to 'dataset'",
        ),
        ({"dataset": None, "source": "../models"}, "source", "no part begins with a dot"),
        ({"dataset": None, "source": "file:///etc"}, "source", "as 'FOLDER'"),
        ({"dataset": None, "source": "birthday"}, "source", "put the images there first"),
        ({"dataset": "digit"}, "dataset", "there are .*digits"),
        ({"model": "nobody"}, "model", "there are digits"),
        ({"version": 2}, "model", "it has 1"),
        ({"top_k": 101}, "top_k", "less than or equal to 100"),
        ({"precision": "auto"}, "precision", "'fp32' or 'bf16'"),
        ({"epochs": 3}, "epochs", "no such field"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_value_is_named_as_the_caller_wrote_it(
    service: Service, fields: dict[str, Any], at: str, hint: str
) -> None:
    answer = service.client.post("/jobs", json=LEAST | fields)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid")
    where = "body" + (f".{at}" if at else "")
    assert [".".join(map(str, error["loc"])) for error in problem["errors"]] == [where]
    assert hint.replace(".*", "") in problem["detail"] or hint.split(".*")[1] in problem["detail"]


def test_a_prediction_that_was_paused_or_done_says_what_a_resume_does(service: Service) -> None:
    job = started(service)
    attempt.begin(service.objects, job, 1, resumed_step=0)
    service.parts.reconciler.tick()
    service.client.post(f"/jobs/{job.id}/pause")
    service.parts.reconciler.tick()
    attempt.halt(service.objects, job, 1)
    service.parts.reconciler.tick()
    said = service.client.get(f"/jobs/{job.id}").json()["reason"]["message"]
    assert "it will go on with the images that are left" in said
    service.client.post(f"/jobs/{job.id}/resume")
    service.parts.reconciler.tick()
    attempt.begin(service.objects, job, 2, resumed_step=180)
    service.parts.reconciler.tick()
    said = service.client.get(f"/jobs/{job.id}").json()["reason"]["message"]
    assert "Attempt 2 goes on after 180 images" in said


def test_deleting_a_prediction_removes_its_files(service: Service) -> None:
    job = started(service)
    attempt.begin(service.objects, job, 1)
    finish(service, job, [write(service, job, number) for number in (0, 1)])
    service.parts.reconciler.tick()
    assert service.client.delete(f"/jobs/{job.id}").status_code == 204
    service.parts.reconciler._last.clear()
    service.parts.reconciler.tick()
    assert list(service.objects.list(f"{layout.job(job.id)}/")) == []


def test_the_command_line_fetches_what_it_does_not_have_and_verifies_it(
    service: Service, url: str, tmp_path: Path
) -> None:
    import httpx

    job, folder = started(service), tmp_path / "out"
    finish(service, job, [write(service, job, number) for number in (0, 1)])
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        client = Client(http)
        found = client.get(f"/jobs/{job.id}/predictions")
        fetch(client, job.id, found, folder)
        assert [path.read_bytes() for path in sorted(folder.iterdir())] == list(FILES)
        (folder / "part-000001.parquet").write_bytes(b"something else")
        fetch(client, job.id, found, folder)
        assert [path.read_bytes() for path in sorted(folder.iterdir())] == list(FILES)
        service.objects.put(layout.part(job.id, 0), b"damaged bytes.")
        (folder / "part-000000.parquet").unlink()
        with pytest.raises(CommandFailed, match="came damaged"):
            fetch(client, job.id, found, folder)
        assert [path.name for path in folder.iterdir()] == ["part-000001.parquet"]
        found["files"][0]["name"] = "../part-000000.parquet"
        with pytest.raises(CommandFailed, match="is not written"):
            fetch(client, job.id, found, folder)
