"""Submitting, listing, looking at and cancelling jobs over HTTP."""

import json

import pytest

from service.lifecycle import State
from tests.api import attempt
from tests.api.conftest import LEAST, Service

SHOWN = {
    *(
        "id",
        "kind",
        "state",
        "reason",
        "attempt",
        "workers",
        "spec",
        "progress",
        "result",
        "name",
        "labels",
    ),
    *("priority", "created_at", "started_at", "ended_at", "links"),
}


def test_the_least_body_makes_a_queued_job_with_every_default_filled_in(service: Service) -> None:
    answer = service.submit()
    job = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    assert job.keys() == SHOWN
    assert job["state"] == "queued"
    assert job["spec"]["shortcut"] == "A"
    assert None not in (job["spec"]["iterations"], job["spec"]["recipe"]["learning_rate"])
    assert job["created_at"].endswith("Z")


def test_a_job_is_shown_as_it_was_made(service: Service) -> None:
    made = service.submit(name="first", labels={"team": "vision"}, priority=3).json()
    shown = service.client.get(made["links"]["self"]).json()
    assert shown == made
    assert (shown["name"], shown["labels"], shown["priority"]) == ("first", {"team": "vision"}, 3)


def test_a_dry_run_answers_the_plan_and_makes_no_job(service: Service) -> None:
    answer = service.client.post("/jobs?dry_run=true", json=LEAST | {"workers": 64})
    plan = answer.json()
    assert answer.status_code == 200
    assert plan["parameters"] == 75_290
    assert plan["demand"] == {"cpus": 64, "gpus": 0}
    assert plan["cluster"]["cpus"] == 4
    assert [check["code"] for check in plan["checks"]] == ["waiting_for_cpus"]
    assert service.client.get("/jobs").json()["items"] == []


def test_the_same_key_and_body_answer_the_first_answer(service: Service) -> None:
    key = {"Idempotency-Key": "once", "Content-Type": "application/json"}
    first = service.client.post("/jobs", content=json.dumps(LEAST), headers=key)
    service.client.post(f"/jobs/{first.json()['id']}/cancel")
    spaced = json.dumps(dict(reversed(LEAST.items())), indent=4)
    again = service.client.post("/jobs", content=spaced, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert len(service.client.get("/jobs").json()["items"]) == 1


def test_the_same_key_with_another_body_is_a_conflict(service: Service) -> None:
    key = {"Idempotency-Key": "once"}
    service.client.post("/jobs", json=LEAST, headers=key)
    other = service.client.post("/jobs", json=LEAST | {"seed": 1}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


def test_a_request_that_was_refused_leaves_its_key_free(service: Service) -> None:
    key = {"Idempotency-Key": "once"}
    assert service.client.post("/jobs", json=LEAST | {"epochs": 0}, headers=key).status_code == 422
    assert service.client.post("/jobs", json=LEAST | {"arch": "x"}, headers=key).status_code == 422
    assert service.client.post("/jobs", json=LEAST, headers=key).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "no\tthing"])
def test_an_idempotency_key_has_1_to_255_visible_characters(shared: Service, key: str) -> None:
    answer = shared.client.post("/jobs", json=LEAST, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


def test_pages_lead_from_the_newest_job_to_the_oldest(service: Service) -> None:
    made = [service.submit(seed=seed).json()["id"] for seed in range(5)]
    met, cursor = [], ""
    while cursor is not None:
        page = service.client.get(f"/jobs?limit=2{cursor and '&cursor='}{cursor}").json()
        assert len(page["items"]) <= 2
        met += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
    assert met == made[::-1]


def test_jobs_are_found_by_state_kind_and_label(service: Service) -> None:
    ours = service.submit(labels={"team": "vision", "why": "a=b"}).json()["id"]
    gone = service.submit(labels={"team": "speech"}).json()["id"]
    service.client.post(f"/jobs/{gone}/cancel")

    def found(query: str) -> list[str]:
        return [job["id"] for job in service.client.get(f"/jobs?{query}").json()["items"]]

    assert found("state=cancelled") == [gone]
    assert found("label=team=vision") == [ours]
    assert found("label=why=a=b&state=queued&kind=train") == [ours]
    assert found("label=team=nobody") == []


def test_cancelling_a_queued_job_ends_it_and_a_second_time_is_refused(service: Service) -> None:
    job = service.submit().json()
    answer = service.client.post(job["links"]["cancel"])
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert answer.json()["reason"]["code"] == "cancelled_by_user"
    again = service.client.post(job["links"]["cancel"])
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


def test_a_running_job_is_cancelling_until_its_processes_are_gone(service: Service) -> None:
    job = service.started()
    assert service.client.post(f"/jobs/{job.id}/cancel").json()["state"] == "cancelling"
    assert service.client.post(f"/jobs/{job.id}/cancel").status_code == 202
    service.parts.reconciler.tick()
    service.parts.reconciler.tick()
    assert service.client.get(f"/jobs/{job.id}").json()["state"] == "cancelled"


def test_a_succeeded_job_shows_its_result(service: Service) -> None:
    job = service.started()
    attempt.begin(service.objects, job, 1)
    attempt.succeed(service.objects, job, 1, step=11)
    service.parts.reconciler.tick()
    shown = service.client.get(f"/jobs/{job.id}").json()
    assert shown["state"] == State.SUCCEEDED
    assert shown["result"]["best"]["step"] == 11
    assert shown["result"]["final"]["top1_error"] == 50.0
    assert shown["ended_at"] is not None


@pytest.mark.parametrize(
    "job_id", ["job-1", "JOB", "no such", "a" * 5000, "%2E%2E", "%00", "%F0%9F%9A%80", "job-1%0A"]
)
@pytest.mark.parametrize("part", ["", "/metrics", "/metrics/stream", "/logs", "/events"])
def test_a_job_that_is_not_there_is_404(shared: Service, job_id: str, part: str) -> None:
    answer = shared.client.get(f"/jobs/{job_id}{part}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
