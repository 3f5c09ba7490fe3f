"""Random requests: whatever comes, the answer is a success or a problem, and never a 500."""

import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.models.store import ModelVersion
from tests.api.conftest import LEAST, Service
from tests.jobs.making import NOW, checkpoint_meta
from trainer.contract.evaluation import EvaluateSpec
from trainer.contract.recipes import RecipeFields
from trainer.contract.spec import TrainSpec

ODD = st.sampled_from(["\0", "\ud800", "🚀", "../..", "", "A" * 300, "resnet20", "default"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | ODD
    | st.sampled_from([10**40, -1, 2**63, 1e308])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD | st.text(), inner)
)
EVALUATE = {"kind": "evaluate", "model": "digits"}
FIELDS = st.sampled_from(sorted({*TrainSpec.model_fields, *EvaluateSpec.model_fields})) | ODD
SPECS = st.builds(
    lambda base, fields, recipe: base | fields | ({"recipe": recipe} if recipe else {}),
    st.sampled_from([LEAST, EVALUATE, {}]),
    st.dictionaries(FIELDS, VALUES, max_size=4),
    st.dictionaries(st.sampled_from(sorted(RecipeFields.model_fields)), VALUES, max_size=3),
)
PATHS = (
    "/archs/resnet20?classes={}",
    "/archs/{}",
    "/datasets/{}",
    "/jobs/a/checkpoints/{}/files/b",
    "/jobs/a/logs?rank={}",
    "/jobs/a/metrics?since_step={}",
    "/jobs/{}",
    "/jobs/{}/metrics",
    "/jobs/{}/analysis",
    "/jobs?cursor={}",
    "/jobs?label=a={}",
    "/jobs?label={}=1",
    "/jobs?limit={}",
    "/jobs?{}=1",
    "/models/{}",
    "/models/{}/deployment",
    "/models?cursor={}",
    "/problems/{}",
)
often = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _is_answered(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["detail"]


def _send(service: Service, method: str, path: str, body: Any) -> httpx.Response:
    answer: httpx.Response = service.client.request(
        method,
        path,
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    return answer


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"data": value}


def _register(service: Service) -> None:
    """A model that evaluations can name, unless it is there."""
    models = service.parts.models.store
    if not models.versions("default", "digits"):
        meta = checkpoint_meta("job-1", 1, 1)
        models.insert(ModelVersion("default", "digits", 1, "there", meta, NOW))


@often
@given(spec=SPECS)
@example(spec=LEAST | {"name": "\0", "seed": 2**31 - 1, "priority": -1000})
@example(spec=LEAST | {"labels": {"a": "\0"}})
@example(spec=EVALUATE | {"protocol": "multi-scale", "workers": 1, "batch_size": 1})
@example(spec={"kind": "\ud800"})
def test_any_job_is_taken_or_refused(on_either: Service, spec: dict[str, Any]) -> None:
    _register(on_either)
    _is_answered(_send(on_either, "POST", "/jobs?dry_run=true", spec))
    _is_answered(_send(on_either, "POST", "/jobs", spec))


@often
@given(body=VALUES, name=st.text(max_size=20) | ODD)
def test_any_json_is_taken_or_refused_by_every_route_that_takes_some(
    on_either: Service, body: Any, name: str
) -> None:
    name = quote(name.encode(errors="replace"), safe="")
    _is_answered(_send(on_either, "POST", "/models", body))
    _is_answered(_send(on_either, "PUT", f"/models/{name or 'a'}/deployment", body))
    _is_answered(_send(on_either, "PUT", f"/models/a/aliases/{name or 'a'}", body))
    _is_answered(_send(on_either, "POST", "/predict", body))
    _is_answered(_send(on_either, "POST", "/predict", {"images": body}))
    infer = f"/v2/models/{name or 'a'}/infer"
    for said in (body, {"inputs": body}, {"inputs": [{"name": "image"} | _object(body)]}):
        answer = _send(on_either, "POST", infer, said)
        assert (answer.status_code in range(400, 500), list(answer.json())) == (True, ["error"])
    job = on_either.client.get("/jobs?limit=1").json()["items"]
    there = job[0]["id"] if job else on_either.submit().json()["id"]
    for job_id in (there, name or "a"):
        _is_answered(_send(on_either, "PATCH", f"/jobs/{job_id}", body))
        _is_answered(_send(on_either, "POST", f"/jobs/{job_id}/resume", body))


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "priority": VALUES | st.integers(-1000, 1000),
        "name": VALUES,
        "labels": st.dictionaries(
            ODD | st.sampled_from(["a", "b"]), VALUES | st.text(), max_size=3
        ),
    },
)


@often
@given(change=CHANGES)
@example(change={"name": "\0", "labels": {"a": ""}})
@example(change={"labels": {"a": "\0"}})
def test_any_change_of_a_job_is_taken_as_it_is_shown_or_refused(
    on_either: Service, change: dict[str, Any]
) -> None:
    job_id = on_either.submit().json()["id"]
    answer = _send(on_either, "PATCH", f"/jobs/{job_id}", change)
    _is_answered(answer)
    shown = on_either.client.get(f"/jobs/{job_id}").json()
    if answer.status_code == 200:
        assert {field: shown[field] for field in change} == change


@often
@given(
    path=st.sampled_from(PATHS),
    value=st.text(max_size=30) | ODD | st.integers().map(str) | st.floats().map(str),
)
def test_any_path_and_query_is_answered(on_either: Service, path: str, value: str) -> None:
    escaped = quote(value.encode(errors="replace"), safe="")
    _is_answered(on_either.client.get(path.format(escaped)))


@often
@given(name=st.text(max_size=30) | ODD, number=st.integers() | st.text(max_size=5))
def test_any_name_and_number_is_answered_by_routes_that_delete(
    on_either: Service, name: str, number: int | str
) -> None:
    name, count = (quote(str(part).encode(errors="replace"), safe="") for part in (name, number))
    for path in (f"{name}/versions/{count}", f"a/aliases/{name}", f"{name}/deployment"):
        _is_answered(on_either.client.delete(f"/models/{path}"))
    _is_answered(on_either.client.delete(f"/jobs/{name or 'a'}"))


@often
@given(
    body=st.binary(max_size=200),
    kind=st.sampled_from(["image/png", "image/jpeg", "multipart/form-data", "text/plain"])
    | st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=20),
)
def test_any_bytes_are_answered_by_predict(on_either: Service, body: bytes, kind: str) -> None:
    headers = {"Content-Type": kind}
    _is_answered(on_either.client.post("/predict?model=a", content=body, headers=headers))
