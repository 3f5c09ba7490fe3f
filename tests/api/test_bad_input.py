"""Whatever a client sends, the answer is a 4xx with a sentence that helps, and never a 500."""

import json
from typing import Any

import httpx
import pytest

from tests.api.conftest import KEY, LEAST, Service

JSON = {"Content-Type": "application/json"}

BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"arch": "resnet2o"}, "arch", "GET /archs"),
    ({"arch": "alexnet"}, "arch", "GET /archs"),
    ({"arch": 20}, "arch", "string"),
    ({"dataset": "imagenet-22k"}, "dataset", "fashion-mnist-mini"),
    ({"dataset": "../../etc/passwd"}, "dataset", "pattern"),
    ({"datset": "digits"}, "datset", "did you mean 'dataset'"),
    ({"arch": "resnet", "depth": 21}, "arch", "6n+2"),
    ({"arch": "resnet"}, "arch", "needs a depth"),
    ({"shortcut": "D"}, "shortcut", "'A', 'B' or 'C'"),
    ({"arch": "plain20", "shortcut": "A"}, "shortcut", "leave 'shortcut' out"),
    ({"epochs": -1}, "epochs", "greater than or equal to 1"),
    ({"epochs": 1.5}, "epochs", "integer"),
    ({"epochs": "many"}, "epochs", "integer"),
    ({"epochs": 10**30}, "epochs", "less than or equal to 100000"),
    ({"batch_size": 2000}, "batch_size", "1437 training images"),
    ({"batch_size": 2, "workers": 3}, "workers", "fewer workers"),
    ({"workers": "all"}, "workers", "integer"),
    ({"workers": 0}, "workers", "greater than or equal to 1"),
    ({"workers": {"min": 4, "max": 2}}, "workers", "more than 'max', 2"),
    ({"workers": {"min": 1}}, "workers.max", "is required"),
    ({"batch_size": 2, "workers": {"min": 1, "max": 3}}, "workers", "fewer workers"),
    ({"max_runtime": 0}, "max_runtime", "greater than or equal to 1"),
    ({"max_pending": -1}, "max_pending", "greater than or equal to 1"),
    ({"seed": -1}, "seed", "greater than or equal to 0"),
    ({"recipe": "sgd"}, "recipe.name", "'default'"),
    ({"recipe": {"learning_rate": 0}}, "recipe.learning_rate", "greater than 0"),
    ({"recipe": {"milestones": [0.9, 0.1]}}, "recipe", "must ascend"),
    ({"labels": {"Not A Name": "x"}}, "labels.Not A Name.[key]", "pattern"),
    ({"labels": {"a": "\0"}}, "labels", "NUL"),
    ({"register_as": "Model/1"}, "register_as", "pattern"),
    ({"kind": "dance"}, "kind", "'train', 'evaluate', 'predict' and 'sweep'"),
    ({"train": 1}, "train", "no such field"),
    ({"stem": "small"}, "stem", "leave 'stem' out"),
    ({"holdout": 1437}, "holdout", "keep back fewer"),
    ({"arch": "nin", "checkpoint_activations": True}, "checkpoint_activations", "leave"),
    ({"arch": "fitnet19", "protocol": "multi-scale"}, "protocol", "center or 10-crop"),
    ({"arch": "dsn", "input_size": 64}, "input_size", "set input_size to 32"),
]


@pytest.mark.parametrize(("fields", "at", "hint"), BAD_FIELDS, ids=lambda value: str(value)[:40])
def test_a_bad_value_is_named_and_the_answer_says_how_to_mend_it(
    shared: Service, fields: dict[str, Any], at: str, hint: str
) -> None:
    answer = shared.submit(**fields)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid")
    where = [".".join(map(str, error["loc"][1:])) for error in problem["errors"]]
    assert where == [at]
    assert hint in problem["detail"]


def test_two_lengths_are_one_too_many(shared: Service) -> None:
    answer = shared.submit(epochs=1, iterations=1)
    assert answer.status_code == 422
    assert "not both" in answer.json()["detail"]


def test_a_missing_field_is_named(shared: Service) -> None:
    answer = shared.client.post("/jobs", json={"arch": "resnet20"})
    assert answer.json()["detail"] == "'dataset' is required."


BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"{nope",
    "half": b'{"arch": "resnet20"',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "not UTF-8": b'{"arch": "\xff"}',
    "NaN": json.dumps(LEAST | {"cpus_per_worker": float("nan")}).encode(),
    "infinity": json.dumps(LEAST | {"recipe": {"learning_rate": float("inf")}}).encode(),
    "NaN among others": json.dumps(LEAST | {"recipe": {"milestones": [float("nan")]}}).encode(),
    "a long number": b'{"arch": "resnet20", "dataset": "digits", "seed": ' + b"9" * 5000 + b"}",
    "a large float": b'{"arch": "resnet20", "dataset": "digits", "seed": 1e999}',
    "half a pair": b'{"arch": "resnet20", "dataset": "digits", "name": "\\ud800"}',
    "half a pair as field": b'{"arch": "resnet20", "dataset": "digits", "\\ud800": 1}',
    "half a pair as label": b'{"arch": "resnet20", "dataset": "digits", "labels": {"\\udfff": "x"}}',
    "half a pair as value": b'{"arch": "resnet20", "dataset": "digits", "labels": {"x": "\\udfff"}}',
    "too deep": b"[" * 100_000,
    "deep in a field": b'{"arch": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_cannot_be_read_is_refused(shared: Service, body: bytes) -> None:
    answer = shared.client.post("/jobs", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].endswith(".")


def test_json_by_another_name_is_415(shared: Service) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = shared.client.post("/jobs", content=json.dumps(LEAST), headers=form)
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["detail"]


BAD_QUERIES = {
    "/jobs?stat=queued": "did you mean 'state'?",
    "/jobs?state=lost": "'queued'",
    "/jobs?limit=0": "greater than or equal to 1",
    "/jobs?limit=501": "less than or equal to 500",
    "/jobs?limit=ten": "integer",
    "/jobs?cursor=%00": "next_cursor",
    "/jobs?cursor=' OR 1=1": "next_cursor",
    "/jobs?label=vision": "key=value",
    "/jobs?label=a=%00": "NUL",
    "/jobs?label=a=1&label=b=2": "at most 1 item",
    "/jobs?kind=dance": "'train'",
    "/archs/resnet20?shortcut=D": "'A', 'B' or 'C'",
    "/archs/plain20?shortcut=A": "leave 'shortcut' out",
    "/archs/resnet20?classes=0": "greater than or equal to 1",
    "/datasets?ready=true": "no query parameter 'ready'",
}


@pytest.mark.parametrize(("path", "hint"), BAD_QUERIES.items())
def test_a_bad_query_is_422(shared: Service, path: str, hint: str) -> None:
    answer = shared.client.get(path)
    assert answer.status_code == 422
    assert hint in answer.json()["detail"]
    assert answer.json()["errors"][0]["loc"][0] == "query"


def test_more_workers_than_the_cluster_has_wait_and_say_for_what(service: Service) -> None:
    answer = service.submit(workers=64, batch_size=128)
    assert answer.status_code == 201
    reason = answer.json()["reason"]
    assert reason["code"] == "waiting_for_cpus"
    assert "64 CPUs at once and the whole cluster has 4" in reason["message"]


def test_what_is_not_here_and_what_is_not_allowed_say_so(shared: Service) -> None:
    missing = shared.client.get("/no/such/route")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    refused = shared.client.delete("/jobs")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("said_length", [True, False])
def test_three_megabytes_of_json_are_413_also_over_a_real_connection(
    url: str, said_length: bool
) -> None:
    megabyte = b" " * 1_000_000
    content = megabyte * 3 if said_length else (megabyte for _ in range(3))
    headers = JSON | {"Authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{url}/jobs", content=content, headers=headers)
    assert answer.status_code == 413
    assert "1048576 bytes" in answer.json()["detail"]


def test_images_may_be_larger_than_json_but_not_without_limit(service: Service) -> None:
    png = {"Content-Type": "image/png"}
    small = service.client.post("/predict", content=b"x" * 3_000_000, headers=png)
    assert small.status_code == 404  # no model is deployed
    large = service.client.post("/predict", content=b"x" * (21 << 20), headers=png)
    assert large.status_code == 413


def test_a_multipart_body_without_a_length_has_the_same_limit(service: Service) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    pieces = (head, *(b"x" * (1 << 20) for _ in range(21)))
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = service.client.post("/predict", content=iter(pieces), headers=kind)
    assert answer.status_code == 413
