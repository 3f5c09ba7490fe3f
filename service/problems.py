"""Every failure as RFC 9457 `application/problem+json`: the one place where errors become HTTP.

`main` installs it; routes say with `fails_with` which failures they have.
"""

import json
import re
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.responses import Response
from structlog.contextvars import get_contextvars

from service import errors as tree
from service import validation
from service.errors import (
    Malformed,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    StorageUnavailable,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from service.system.writing import database_trouble, store_trouble
from trainer.contract import problems
from trainer.contract.objects.store import NoSuchObject, StoreUnavailable
from trainer.contract.problems import MEDIA_TYPE

PART_FAILURES = (
    *(StoreUnavailable, NoSuchObject),
    *(OperationalError, InterfaceError, NoConnectionFree),
)
"""What the object store and the database raise when they do not do as they should."""


class Kind(NamedTuple):
    """One failure of the tree."""

    error: type[ServiceError]
    meaning: str


class FieldError(BaseModel, use_attribute_docstrings=True):
    loc: list[str | int] = Field(examples=[["body", "epochs"]])
    """Where in the request: body, query, path or header, then the way to the value."""
    msg: str = Field(examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel, use_attribute_docstrings=True):
    """What every failure looks like (RFC 9457)."""

    type: str = Field(examples=["/problems/not_found"])
    """A stable URL for this kind of failure, relative to the service."""
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no job 'job-1'; GET /jobs lists yours."])
    """This case, in a sentence that says how to mend it."""
    code: str = Field(examples=["not_found"])
    """Stable: programs may compare it."""
    errors: list[FieldError] | None = None
    """The values at fault, where single ones are."""
    request_id: str | None = None
    """Of the request, as in `X-Request-Id`: the service's log has it in each line about this."""


def problem_of(error: ServiceError, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The JSON of a failure; `errors` are the values at fault."""
    kind = problems.Kind(error.status, error.code, error.title)
    return problems.problem(kind, error.message, errors)


def response_to(error: ServiceError, errors: list[dict[str, Any]] | None = None) -> Response:
    """The answer to a failure, with the headers that its status asks for."""
    headers = dict(error.headers)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="residual"'
    problem = problem_of(error, errors)
    if request_id := get_contextvars().get("request_id"):
        problem["request_id"] = request_id
    body = json.dumps(problem, ensure_ascii=False)
    return Response(
        body.encode(errors="replace"),  # half a surrogate pair in a client's text has no UTF-8
        status_code=error.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Answer every exception that reaches `app` with a problem."""
    app.exception_handler(ServiceError)(_service_error)
    app.exception_handler(RequestValidationError)(_invalid_request)
    app.exception_handler(HTTPException)(_refused_by_router)
    for known in PART_FAILURES:
        app.exception_handler(known)(_part_failed)


def fails_with(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that can fail with `errors`, for the OpenAPI document."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        response = by_status.setdefault(
            error.status,
            {
                "description": error.title,
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "examples": {},
                    }
                },
            },
        )
        response["content"][MEDIA_TYPE]["examples"][error.code] = _example(error)
        if error.retry_after is not None:
            response["headers"] = {
                "Retry-After": {
                    "description": "Seconds until asking again makes sense",
                    "schema": {"type": "integer"},
                }
            }
    return by_status


def kinds() -> dict[str, Kind]:
    """Every failure by its code, as the tree in `service.errors` says."""
    lines = re.findall(r"(\w+) +\d{3}  (\w+) *(.*)", tree.__doc__ or "")
    return {
        code: Kind(getattr(tree, name), meaning or "the service itself failed; its log says why")
        for name, code, meaning in lines
    }


def _example(error: type[ServiceError]) -> dict[str, Any]:
    said = error(kinds()[error.code].meaning)
    return {"summary": error.title, "value": problem_of(said)}


async def _service_error(request: Request, error: ServiceError) -> Response:
    if error.field is None:
        return response_to(error)
    where = "query" if error.field in request.query_params else "body"
    loc = [where, *error.field.split(".")]
    return response_to(error, [{"loc": loc, "msg": error.message}])


async def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    return response_to(*validation.refusal(request, error))


def part_failed(path: str, error: Exception) -> Response:
    """The answer to one of `PART_FAILURES`, which is also logged."""
    structlog.get_logger().warning("part_failed", path=path, error=str(error))
    if isinstance(error, NoSuchObject):
        return response_to(NotFound("What was asked for is no longer in the object store."))
    if isinstance(error, StoreUnavailable):
        return response_to(StorageUnavailable(store_trouble(error)))
    return response_to(Unavailable(database_trouble(error)))


async def _part_failed(request: Request, error: Exception) -> Response:
    return part_failed(request.url.path, error)


async def _refused_by_router(request: Request, error: HTTPException) -> Response:
    match error.status_code:
        case 404:
            said = f"There is no {request.url.path} here; /docs lists every route."
            return response_to(NotFound(said))
        case 405:
            return _not_allowed(request, (error.headers or {}).get("Allow", ""))
        case 413:
            return response_to(TooLarge(error.detail))
        case _:
            return response_to(Malformed(f"The request cannot be read: {error.detail}."))


def _not_allowed(request: Request, router_says: str) -> Response:
    """The router names one route's methods; a path may have several routes."""
    route = getattr(request.scope.get("route"), "path", "")
    methods = request.app.openapi()["paths"].get(route, {})
    allowed = ", ".join(sorted(method.upper() for method in methods)) or router_says
    refusal = MethodNotAllowed(f"{request.url.path} takes {allowed}, not {request.method}.")
    response = response_to(refusal)
    response.headers["Allow"] = allowed
    return response
