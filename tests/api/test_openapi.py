"""The OpenAPI document is the full text of the contract: it is walked as a client would read it."""

import json
from typing import Any

import pytest

from service.http.openapi import operations
from service.problems import kinds
from tests.api.conftest import Service
from trainer.contract.problems import MEDIA_TYPE

BINARY = ("image/", "multipart/", "application/octet-stream")


@pytest.fixture(scope="module")
def document(shared: Service) -> dict[str, Any]:
    published: dict[str, Any] = shared.client.get("/openapi.json").json()
    return published


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert operation["tags"], (path, method)


def test_every_operation_has_its_failures_as_problems(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        failures = {s: r for s, r in operation["responses"].items() if s[0] in "45"}
        assert failures, (path, method)
        for status, response in failures.items():
            if (path, status) == ("/readyz", "503"):
                continue  # the parts and their states, not a problem
            kind = "application/json" if path.startswith("/v2") else MEDIA_TYPE
            assert list(response["content"]) == [kind], (path, method, status)
            for code, one in response["content"][kind]["examples"].items():
                assert str(kinds()[code].error.status) == status
                assert set(one["value"]) >= ({"error"} if path.startswith("/v2") else {"detail"})


def test_every_body_and_every_success_has_an_example(document: dict[str, Any]) -> None:
    lacking = [
        f"{method.upper()} {path} {which} {media_type}"
        for path, method, operation in operations(document)
        for which, part in _said_and_answered(operation)
        for media_type, content in part.get("content", {}).items()
        if not media_type.startswith(BINARY) and not _has_example(document, content)
    ]
    assert not lacking, "\n".join(lacking)


def test_every_parameter_is_described(document: dict[str, Any]) -> None:
    lacking = [
        f"{method.upper()} {path} {parameter['name']}"
        for path, method, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if "description" not in parameter and "description" not in parameter["schema"]
    ]
    assert not lacking, "\n".join(lacking)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in text


def _said_and_answered(operation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    answered = [(s, r) for s, r in operation["responses"].items() if s[0] == "2"]
    return (
        [("body", operation["requestBody"]), *answered] if "requestBody" in operation else answered
    )


def _has_example(document: dict[str, Any], content: dict[str, Any]) -> bool:
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    nothing = schema == {}
    return nothing or any(key in {**schema, **content} for key in ("example", "examples"))
