"""The OpenAPI document: FastAPI's, completed with the failures that every route of a kind has."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from service.errors import (
    Invalid,
    Malformed,
    ServiceError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from service.http import plain_errors
from service.http.plain_errors import ErrorOut
from service.problems import Problem, fails_with, kinds
from trainer.contract.problems import MEDIA_TYPE

REFERENCE = "#/components/schemas/{model}"
REPLACED = ("HTTPValidationError", "ValidationError")
"""FastAPI's own shapes of a 422, which this service never sends."""


def install(app: FastAPI, *, bodies: Sequence[type[BaseModel]]) -> None:
    """Let `app` publish the completed document. `bodies` are those that routes read themselves."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(plain(), [Problem, ErrorOut, *bodies])
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of every route in an OpenAPI document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def reference(model: type[BaseModel]) -> dict[str, str]:
    """A schema that stands elsewhere in the document."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _complete(document: dict[str, Any], models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for model in models:
        schema = model.model_json_schema(ref_template=REFERENCE)
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    for name in REPLACED:
        schemas.pop(name, None)
    document["components"]["responses"] = {
        kind.error.__name__: fails_with(kind.error)[kind.error.status] for kind in kinds().values()
    }
    for path, _, operation in operations(document):
        said = operation["responses"]
        if REFERENCE.format(model=REPLACED[0]) in str(said.get("422")):
            said["422"] = fails_with(Invalid)[422]
        for status, response in fails_with(*_common(operation)).items():
            said[str(status)] = _both(response, said.get(str(status)))
        if plain_errors.is_here(path):
            operation["responses"] = {s: _plain(r) for s, r in said.items()}
    return document


def _common(operation: dict[str, Any]) -> list[type[ServiceError]]:
    """What can go wrong with any operation of this kind."""
    common: list[type[ServiceError]] = [ServiceError]
    if "security" in operation:
        common += [Unauthorized, Unavailable]
    if "requestBody" in operation:
        common += [Malformed, TooLarge, UnsupportedMedia]
    return common


def _both(common: dict[str, Any], own: dict[str, Any] | None) -> dict[str, Any]:
    """One response with the examples of two."""
    if own is None or MEDIA_TYPE not in own.get("content", {}):
        return own or common
    content = common["content"][MEDIA_TYPE]
    examples = own["content"][MEDIA_TYPE]["examples"] | content["examples"]
    return own | {"content": {MEDIA_TYPE: content | {"examples": examples}}}


def _plain(response: dict[str, Any]) -> dict[str, Any]:
    """A response as it is under /v2: failures are the Open Inference Protocol's."""
    if MEDIA_TYPE not in response.get("content", {}):
        return response
    examples = response["content"][MEDIA_TYPE]["examples"]
    said = {
        code: one | {"value": plain_errors.plain(one["value"])} for code, one in examples.items()
    }
    content = {"application/json": {"schema": reference(ErrorOut), "examples": said}}
    return response | {"content": content}
