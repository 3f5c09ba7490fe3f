"""Pause, resume, extend, change and delete over HTTP."""

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi.sse import ServerSentEvent

from service.clock import utc_now
from service.cluster.cluster import Sighting
from service.jobs import follow
from service.jobs.read_schemas import End
from service.lifecycle import Job
from service.reconcile.sweep import Sweeper
from tests.api import attempt
from tests.api.attempt import point
from tests.api.conftest import KEY, LEAST, Service
from trainer.contract.spec import TrainSpec

BEARER = {"Authorization": f"Bearer {KEY}"}


def _running(service: Service, **fields: Any) -> Job:
    job = service.started(**fields)
    attempt.begin(service.objects, job, 1)
    service.parts.reconciler.tick()
    return service.job(job.id)


def _paused(service: Service) -> Job:
    job = _running(service)
    assert service.client.post(f"/jobs/{job.id}/pause").status_code == 202
    service.parts.reconciler.tick()
    attempt.halt(service.objects, job, job.attempt)
    service.cluster.submitted[f"{job.id}-{job.attempt}"] = Sighting.ENDED
    service.parts.reconciler.tick()
    return service.job(job.id)


def _succeeded(service: Service, folder: Path, **fields: Any) -> Job:
    job = _running(service, **fields)
    attempt.checkpoint(service.objects, job, 1, 11, folder)
    attempt.succeed(service.objects, job, 1, step=11)
    service.cluster.submitted[f"{job.id}-1"] = Sighting.ENDED
    service.parts.reconciler.tick()
    return service.job(job.id)


def test_a_running_job_is_pausing_until_its_attempt_has_ended(service: Service) -> None:
    job = _running(service)
    assert job.state == "running"
    first = service.client.post(f"/jobs/{job.id}/pause")
    assert (first.status_code, first.json()["state"]) == (202, "pausing")
    assert first.json()["reason"]["code"] == "paused_by_user"
    assert service.client.post(f"/jobs/{job.id}/pause").json()["state"] == "pausing"
    service.parts.reconciler.tick()
    attempt.halt(service.objects, job, 1)
    service.cluster.submitted[f"{job.id}-1"] = Sighting.ENDED
    service.parts.reconciler.tick()
    shown = service.client.get(f"/jobs/{job.id}").json()
    assert (shown["state"], shown["ended_at"]) == ("paused", None)
    assert [one["id"] for one in service.client.get("/jobs?state=paused").json()["items"]] == [
        job.id
    ]


def test_a_paused_job_holds_no_place_in_line_and_goes_on_when_it_is_resumed(
    service: Service,
) -> None:
    job = _paused(service)
    service.parts.reconciler.tick()
    assert service.job(job.id).state == "paused"
    answer = service.client.post(f"/jobs/{job.id}/resume")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.json()["reason"]["code"] == "resumed_by_user"
    service.parts.reconciler.tick()
    assert (service.job(job.id).state, service.job(job.id).attempt) == ("starting", 2)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content": b"", "headers": {"Content-Type": "application/json"}},
        {"content": b"", "headers": {"Content-Type": "text/plain"}},
        {"json": {}},
        {"json": {"epochs": None}},
    ],
    ids=lambda sent: str(sent)[:40],
)
def test_a_resume_needs_no_body(service: Service, sent: dict[str, Any]) -> None:
    job_id = service.submit().json()["id"]
    service.client.post(f"/jobs/{job_id}/pause")
    answer = service.client.post(f"/jobs/{job_id}/resume", **sent)
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"epochs": "many"}, "integer"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ([], "'epochs'"),
    ],
)
def test_a_resume_that_cannot_be_meant_is_422(service: Service, body: Any, hint: str) -> None:
    job_id = service.submit().json()["id"]
    service.client.post(f"/jobs/{job_id}/pause")
    answer = service.client.post(f"/jobs/{job_id}/resume", json=body)
    assert answer.status_code == 422
    assert hint in answer.json()["detail"] or body == []
    assert service.job(job_id).state == "paused"


def test_a_succeeded_training_is_extended(service: Service, tmp_path: Path) -> None:
    job = _succeeded(service, tmp_path, epochs=1)
    resume = f"/jobs/{job.id}/resume"
    without = service.client.post(resume)
    assert (without.status_code, without.json()["code"]) == (409, "illegal_transition")
    assert "more than its 1" in without.json()["detail"]
    same = service.client.post(resume, json={"epochs": 1})
    assert same.status_code == 422
    assert same.json()["errors"][0]["loc"] == ["body", "epochs"]
    longer = service.client.post(resume, json={"epochs": 4})
    assert longer.status_code == 202
    assert longer.json()["spec"]["epochs"] == 4
    assert longer.json()["spec"]["iterations"] == 4 * longer.json()["spec"]["steps_per_epoch"]
    assert service.client.post(resume, json={"epochs": 4}).json() == longer.json()


def test_every_job_says_why_it_is_where_it_is(service: Service, tmp_path: Path) -> None:
    ids = [service.submit().json()["id"] for _ in range(3)]
    service.client.post(f"/jobs/{ids[0]}/cancel")
    service.client.post(f"/jobs/{ids[1]}/pause")
    service.client.post(f"/jobs/{ids[1]}/resume")
    service.client.post(f"/jobs/{ids[2]}/pause")
    _paused(service)
    _succeeded(service, tmp_path)
    for job in service.client.get("/jobs").json()["items"]:
        assert job["reason"]["code"]
        assert job["reason"]["message"]
        events = service.client.get(job["links"]["events"]).json()["items"]
        assert all(event["reason"]["message"] for event in events[1:])


def test_a_paused_job_can_be_cancelled(service: Service) -> None:
    job = _paused(service)
    assert service.client.post(f"/jobs/{job.id}/cancel").status_code == 202
    service.parts.reconciler.tick()
    shown = service.client.get(f"/jobs/{job.id}").json()
    assert (shown["state"], shown["reason"]["code"]) == ("cancelled", "cancelled_by_user")


def test_a_change_is_shown_and_what_is_left_out_stays(service: Service) -> None:
    made = service.submit(name="first", labels={"team": "vision"}, priority=3).json()
    here = made["links"]["self"]
    answer = service.client.patch(here, json={"name": None, "priority": 4})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["priority"]) == (None, 4)
    assert answer.json()["labels"] == {"team": "vision"}
    service.client.patch(here, json={"labels": {"team": "speech"}})
    shown = service.client.get(here).json()
    assert (shown["priority"], shown["labels"]) == (4, {"team": "speech"})
    assert shown["spec"]["labels"] == {"team": "speech"}
    assert service.client.get("/jobs?label=team=vision").json()["items"] == []


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({}, "'priority', 'name' or 'labels'"),
        ({"priority": None}, "integer"),
        ({"priority": 1001}, "less than or equal to 1000"),
        ({"labels": None}, "dictionary"),
        ({"labels": {"a": "\0"}}, "NUL"),
        ({"labels": {"Not A Name": "x"}}, "pattern"),
        ({"nam": "x"}, "did you mean 'name'"),
        ({"seed": 3}, "no such field"),
    ],
)
def test_a_change_that_cannot_be_meant_is_422(
    shared: Service, change: dict[str, Any], hint: str
) -> None:
    job = shared.submit().json()
    answer = shared.client.patch(job["links"]["self"], json=change)
    assert answer.status_code == 422
    assert hint in answer.json()["detail"]
    assert shared.client.get(job["links"]["self"]).json()["priority"] == 0


def test_of_an_ended_job_only_name_and_labels_can_be_changed(service: Service) -> None:
    job_id = service.submit().json()["id"]
    service.client.post(f"/jobs/{job_id}/cancel")
    renamed = service.client.patch(f"/jobs/{job_id}", json={"name": "n", "labels": {"a": "b"}})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "n")
    raised = service.client.patch(f"/jobs/{job_id}", json={"name": "m", "priority": 1})
    assert (raised.status_code, raised.json()["code"]) == (409, "illegal_transition")
    assert service.job(job_id).spec.name == "n"


def test_a_deleted_job_is_gone_and_a_model_of_it_stays(service: Service, tmp_path: Path) -> None:
    job = _succeeded(service, tmp_path)
    model = service.client.post("/models", json={"name": "kept", "job": job.id})
    assert model.status_code == 201
    answer = service.client.delete(f"/jobs/{job.id}")
    assert (answer.status_code, answer.content) == (204, b"")
    for part in ("", "/metrics", "/metrics/stream", "/logs", "/events", "/checkpoints"):
        assert service.client.get(f"/jobs/{job.id}{part}").status_code == 404
    assert service.client.delete(f"/jobs/{job.id}").status_code == 404
    Sweeper(service.parts.jobs.store, service.objects, utc_now).sweep()
    assert list(service.objects.list(f"jobs/{job.id}/")) == []
    (version,) = service.client.get("/models/kept").json()["versions"]
    assert version["job"] == job.id
    assert list(service.objects.list("models/default/kept/"))


@pytest.mark.parametrize("pause", [False, True])
def test_a_job_that_has_not_ended_is_not_deleted(shared: Service, *, pause: bool) -> None:
    job_id = shared.submit().json()["id"]
    if pause:
        shared.client.post(f"/jobs/{job_id}/pause")
    answer = shared.client.delete(f"/jobs/{job_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")
    assert "cancel it first" in answer.json()["detail"]


def test_a_stream_stays_open_through_a_pause(service: Service, url: str) -> None:
    job = _paused(service)
    attempt.write(attempt.metrics(service.objects, job, 1), point(1))
    stream = f"{url}/jobs/{job.id}/metrics/stream"
    with httpx.stream("GET", stream, headers=BEARER, timeout=30) as answer:
        ids = (line for line in answer.iter_lines() if line.startswith(("id", "event")))
        assert next(ids) == "id: 1"
        service.client.post(f"/jobs/{job.id}/resume")
        service.parts.reconciler.tick()
        attempt.begin(service.objects, job, 2, resumed_step=1)
        attempt.write(attempt.metrics(service.objects, job, 2), point(2))
        assert next(ids) == "id: 2"
        attempt.succeed(service.objects, job, 2, step=2)
        service.parts.reconciler.tick()
        assert next(ids) == "event: end"


def test_a_stream_ends_when_its_job_is_deleted(service: Service) -> None:
    job, jobs = _paused(service), service.parts.jobs
    attempt.write(attempt.metrics(service.objects, job, 1), point(1))

    async def followed() -> list[ServerSentEvent]:
        seen = []
        async for event in follow.points(jobs, job.project, job.id, since=(0, True), split=None):
            seen.append(event)
            if len(seen) == 1:  # between two looks
                jobs.cancel(job.project, job.id)
                service.parts.reconciler.tick()
                jobs.delete(job.project, job.id)
        return seen

    first, last = anyio.run(followed)
    assert (first.id, last.event, last.data) == ("1", "end", End(state=None))


@pytest.mark.parametrize("ask", ["pause", "resume", "cancel", ""])
def test_another_projects_job_is_not_there(service: Service, ask: str) -> None:
    theirs, _ = service.parts.jobs.create("theirs", TrainSpec.model_validate(LEAST))
    if ask:
        assert service.client.post(f"/jobs/{theirs.id}/{ask}").status_code == 404
        return
    assert service.client.delete(f"/jobs/{theirs.id}").status_code == 404
    assert service.client.patch(f"/jobs/{theirs.id}", json={"name": "x"}).status_code == 404
