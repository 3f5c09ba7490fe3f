"""What pydantic says of a request, in sentences. `problems` answers with them."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from service.errors import Invalid, Malformed, ServiceError, UnsupportedMedia

MISSING = "is required"
MAX_SHOWN = 20
"""Values at fault that an answer names; the rest are only counted."""


def refusal(
    request: Request, error: RequestValidationError
) -> tuple[ServiceError, list[dict[str, Any]] | None]:
    """The failure that a request's validation errors come to, and the single values at fault."""
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        why, where = found[0]["ctx"]["error"], found[0]["loc"][-1]
        return Malformed(f"The body is not JSON: {why} at character {where}."), None
    if isinstance(error.body, bytes):
        sent = request.headers.get("content-type") or "no Content-Type"
        return UnsupportedMedia(
            f"The body came as {sent}; send JSON with 'Content-Type: application/json'."
        ), None
    known = _known_fields(request)
    values = [{"loc": list(one["loc"]), "msg": _message(one, known)} for one in found[:MAX_SHOWN]]
    return Invalid(_sentence(values, len(found))), values


def _sentence(values: Sequence[dict[str, Any]], count: int) -> str:
    said = "; ".join(_clause(value["loc"], value["msg"]) for value in values[:3])
    return f"{said}; and {count - 3} more" if count > 3 else said


def _clause(loc: Sequence[str | int], message: str) -> str:
    """A location as people write it, body.recipe.gamma as 'recipe.gamma', and what is wrong there."""
    where = ".".join(map(str, loc[1:]))
    subject = f"'{where}'" if where else f"the {loc[0]}"
    if message == MISSING:
        return f"{subject} {message}"
    return f"{subject}: {message[:1].lower()}{message[1:]}"


def _message(error: dict[str, Any], known: Sequence[str]) -> str:
    loc, kind = error["loc"], error["type"]
    if kind == "extra_forbidden":
        close = get_close_matches(str(loc[-1]), known, n=1) if len(loc) == 2 else []
        return "there is no such field" + (f", did you mean '{close[0]}'?" if close else "")
    if kind == "missing":
        return MISSING
    return str(error["msg"]).removeprefix("Value error, ")


def _known_fields(request: Request) -> list[str]:
    """Names of the fields that the body of this route may have."""
    field = getattr(request.scope.get("route"), "body_field", None)
    model = getattr(getattr(field, "field_info", None), "annotation", None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return []
