"""The OpenAPI document: FastAPI's, completed with the failures that every route of a kind has."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from service.errors import (
    Invalid,
    Malformed,
    ServiceError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from service.problems import MEDIA_TYPE, Problem, fails_with, kinds

REFERENCE = "#/components/schemas/{model}"
REPLACED = ("HTTPValidationError", "ValidationError")
"""FastAPI's own shapes of a 422, which this service never sends."""


def install(app: FastAPI) -> None:
    """Let `app` publish the completed document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of every route in an OpenAPI document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    model = Problem.model_json_schema(ref_template=REFERENCE)
    schemas |= model.pop("$defs") | {"Problem": model}
    for name in REPLACED:
        schemas.pop(name, None)
    document["components"]["responses"] = {
        kind.error.__name__: fails_with(kind.error)[kind.error.status] for kind in kinds().values()
    }
    for _, _, operation in operations(document):
        said = operation["responses"]
        if REFERENCE.format(model=REPLACED[0]) in str(said.get("422")):
            said["422"] = fails_with(Invalid)[422]
        for status, response in fails_with(*_common(operation)).items():
            said[str(status)] = _both(response, said.get(str(status)))
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
