"""Evaluations over HTTP: submitted, refused, planned, and read when they are done."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.lifecycle import Job
from service.models.store import ModelVersion
from tests.api import attempt
from tests.api.conftest import Service, serving
from tests.jobs.making import NOW, checkpoint_meta, evaluated, finish
from trainer.contract import layout
from trainer.contract.analysis import Analysis, Layer
from trainer.contract.datasets import DATASETS

LEAST = {"kind": "evaluate", "model": "digits"}
ANALYSIS = Analysis(
    model="digits:1",
    arch="resnet20",
    dataset="digits",
    images=360,
    layers=(Layer(name="stem.0", index=1, kernel=3, response_std=1.5, gradient_norm=0.25),),
)
PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with one version of the model `digits`."""
    with serving(tmp_path) as made:
        version = ModelVersion("default", "digits", 1, "there", checkpoint_meta("job-1", 1, 1), NOW)
        made.parts.models.store.insert(version)
        yield made


def started(service: Service, **fields: Any) -> Job:
    answer = service.client.post("/jobs", json=LEAST | fields)
    assert answer.status_code == 201, answer.text
    service.parts.reconciler.tick()
    return service.job(answer.json()["id"])


def test_an_evaluation_waits_runs_and_shows_what_it_came_to(service: Service) -> None:
    job = started(service, name="how good is it", labels={"team": "vision"})
    assert job.spec.name == "how good is it"
    attempt.begin(service.objects, job, 1)
    finish(service.objects, job.id, 1)
    service.parts.reconciler.tick()
    shown = service.client.get(f"/jobs/{job.id}").json()
    assert (shown["kind"], shown["state"]) == ("evaluate", "succeeded")
    assert shown["spec"]["models"] == [
        {"name": "digits", "version": 1, "prefix": "models/default/digits/000001"}
    ]
    assert shown["result"]["evaluation"] == evaluated().model_dump(mode="json")
    assert (shown["result"]["final"], shown["result"]["best"]) == (None, None)
    assert shown["progress"] is None


def test_jobs_are_found_by_their_kind(service: Service) -> None:
    evaluating = started(service).id
    training = service.submit().json()["id"]

    def found(kind: str) -> list[str]:
        return [job["id"] for job in service.client.get(f"/jobs?kind={kind}").json()["items"]]

    assert (found("evaluate"), found("train")) == ([evaluating], [training])


def test_an_evaluation_is_cancelled_like_any_job(service: Service) -> None:
    job = service.client.post("/jobs", json=LEAST | {"workers": 64}).json()
    assert job["reason"]["code"] == "waiting_for_cpus"
    assert service.client.post(job["links"]["cancel"]).json()["state"] == "cancelled"


def test_the_same_key_and_body_make_one_evaluation(service: Service) -> None:
    key = {"Idempotency-Key": "once"}
    first = service.client.post("/jobs", json=LEAST, headers=key).json()
    assert service.client.post("/jobs", json=LEAST, headers=key).json() == first
    other = service.client.post("/jobs", json=LEAST | {"protocol": "10-crop"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


def test_a_dry_run_plans_an_evaluation(service: Service) -> None:
    body = LEAST | {"protocol": "10-crop", "workers": 2}
    plan = service.client.post("/jobs?dry_run=true", json=body).json()
    assert plan["parameters"] == 269_722
    assert plan["multiply_adds"] == 10 * 40_551_040
    assert plan["demand"] == {"cpus": 2, "gpus": 0}
    assert "shown 10 times" in " ".join(plan["notes"])
    assert service.client.get("/jobs").json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "at", "hint"),
    [
        ({"protocol": "11-crop"}, "protocol", "'10-crop'"),
        ({"modell": "digits"}, "modell", "did you mean 'model'"),
        ({"epochs": 3}, "epochs", "no such field"),
        ({"register_as": "best"}, "register_as", "no such field"),
        ({"evaluate": 1}, "evaluate", "no such field"),
        ({"model": "Not A Name"}, "model", "pattern"),
        ({"model": "nobody"}, "model", "there are digits"),
        ({"version": 7}, "model", "it has 1"),
        ({"dataset": "fashion-mnist-mini"}, "dataset", "must be the same"),
        ({"model": None}, "", "either 'model' or 'ensemble'"),
        ({"model": None, "ensemble": [{"model": "digits"}] * 2, "analyse": True}, "", "one model"),
        ({"model": None, "ensemble": [{"model": 1}, {"model": "b"}]}, "ensemble.0.model", "string"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_value_is_named_as_the_caller_wrote_it(
    service: Service, fields: dict[str, Any], at: str, hint: str
) -> None:
    answer = service.client.post("/jobs", json=LEAST | fields)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid")
    assert [".".join(map(str, error["loc"])) for error in problem["errors"]] == [
        "body" + (f".{at}" if at else "")
    ]
    assert hint in problem["detail"]


@pytest.mark.parametrize("kind", ["dance", "", None, 5, [], {"a": "b"}, "\ud800", "evaluate\0"])
def test_an_unknown_kind_is_told_which_kinds_there_are(service: Service, kind: object) -> None:
    body = f'{{"kind": {json.dumps(kind)}, "arch": "resnet20"}}'
    answer = service.client.post(
        "/jobs", content=body, headers={"Content-Type": "application/json"}
    )
    problem = answer.json()
    assert answer.status_code == 422
    said = "there is no such kind of job; there are 'train', 'evaluate', 'predict' and 'sweep'"
    assert problem["errors"] == [{"loc": ["body", "kind"], "msg": said}]
    assert problem["detail"] == f"'kind': {said}."


@pytest.mark.parametrize("body", ["[]", "5", '"evaluate"'])
def test_a_body_that_is_no_object_is_refused_in_a_sentence(service: Service, body: str) -> None:
    answer = service.client.post(
        "/jobs", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.json()["detail"] == "The body: should be an object."


def test_the_analysis_comes_as_json_and_as_a_picture(service: Service) -> None:
    job = started(service, analyse=True)
    link = service.client.get(f"/jobs/{job.id}").json()["links"]["analysis"]
    early = service.client.get(link)
    assert (early.status_code, early.json()["code"]) == (404, "not_found")
    assert "yet" in early.json()["detail"]
    service.objects.put(layout.analysis(job.id, 1), ANALYSIS.model_dump_json().encode())
    service.objects.put(layout.analysis_picture(job.id, 1), PNG)
    assert service.client.get(link).json() == ANALYSIS.model_dump(mode="json")
    picture = service.client.get(link, headers={"Accept": "image/png"})
    assert (picture.headers["Content-Type"], picture.content) == ("image/png", PNG)


def test_what_was_not_analysed_says_how_to_ask_for_it(service: Service) -> None:
    for job_id in (started(service).id, service.submit().json()["id"]):
        for accept in ("application/json", "image/png"):
            answer = service.client.get(f"/jobs/{job_id}/analysis", headers={"Accept": accept})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
            assert "'analyse': true" in answer.json()["detail"]
        assert "analysis" not in service.client.get(f"/jobs/{job_id}").json()["links"]


def test_bodies_of_every_kind_are_in_the_document(service: Service) -> None:
    document = service.client.get("/openapi.json").json()
    body = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]
    named = {one["$ref"].rsplit("/", 1)[1] for one in body["schema"]["oneOf"]}
    assert named == {"TrainSpec", "EvaluateSpec", "PredictSpec", "SweepSpec"}
    kinds = {example["value"].get("kind", "train") for example in body["examples"].values()}
    assert kinds == {"train", "evaluate", "predict", "sweep"}


def test_every_example_of_a_body_can_be_sent(service: Service) -> None:
    meta = checkpoint_meta("job-1", 1, 1)
    info = DATASETS["fashion-mnist-mini"]
    fashion = meta.model_copy(update={"dataset": info.name, "class_names": info.classes})
    for number in (1, 2):
        made = ModelVersion("default", "fashion", number, f"fashion-{number}", fashion, NOW)
        service.parts.models.store.insert(made)
    document = service.client.get("/openapi.json").json()
    body = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]
    for name, example in body["examples"].items():
        assert service.client.post("/jobs", json=example["value"]).status_code == 201, name
