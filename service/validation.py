"""What pydantic says of a request, in sentences. `problems` answers with them."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Tag

from service.errors import Invalid, Malformed, ServiceError, UnsupportedMedia

Bodies = dict[str, type[BaseModel]]
"""The models that a body may be of, by their kinds; one that has no kind by the empty text."""

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
    bodies = _bodies(request)
    values = [_value(one, bodies) for one in found[:MAX_SHOWN]]
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


def _value(error: dict[str, Any], bodies: Bodies) -> dict[str, Any]:
    """Where in the request, and what is wrong there. A body that may be of several kinds is the
    caller's one body: pydantic's step from it to the kind is left out."""
    loc, kind = list(error["loc"]), ""
    if kinds := [each for each in bodies if each and loc[0] == "body"]:
        if error["type"].startswith("union_tag") and isinstance(error["input"], dict):
            *most, last = (f"'{each}'" for each in kinds)
            there = f"{', '.join(most)} and {last}"
            return {
                "loc": [*loc, "kind"],
                "msg": f"there is no such kind of job; there are {there}",
            }
        kind = str(loc.pop(1)) if len(loc) > 1 else ""
    model = bodies.get(kind)
    known = list(model.model_fields) if model else []
    return {"loc": loc, "msg": _message(error | {"loc": loc}, known)}


def _message(error: dict[str, Any], known: Sequence[str]) -> str:
    loc, kind = error["loc"], error["type"]
    if kind == "union_tag_not_found":
        return "should be an object"
    if kind == "extra_forbidden":
        close = get_close_matches(str(loc[-1]), known, n=1) if len(loc) == 2 else []
        return "there is no such field" + (f", did you mean '{close[0]}'?" if close else "")
    if kind == "missing":
        return MISSING
    return str(error["msg"]).removeprefix("Value error, ")


def _bodies(request: Request) -> Bodies:
    """What the body of this route may be."""
    field = getattr(request.scope.get("route"), "body_field", None)
    body = getattr(getattr(field, "field_info", None), "annotation", None)
    if isinstance(body, type) and issubclass(body, BaseModel):
        return {"": body}
    # Of a union by kind each member is Annotated[model, Tag(kind)].
    members = [get_args(one) for one in get_args(body)]
    return {tag.tag: model for model, *marks in members for tag in marks if isinstance(tag, Tag)}
