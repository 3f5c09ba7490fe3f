"""What pydantic says of a request, in sentences. `problems` answers with them."""

from typing import Any, get_args

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Tag

from service.errors import Invalid, Malformed, ServiceError, UnsupportedMedia
from trainer.contract import faults

Bodies = dict[str, type[BaseModel]]
"""The models that a body may be of, by their kinds; one that has no kind by the empty text."""


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
    values = [_value(one, bodies) for one in found[: faults.MAX_SHOWN]]
    return Invalid(faults.sentence(values, len(found))), values


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
    return {"loc": loc, "msg": faults.message(error | {"loc": loc}, known)}


def _bodies(request: Request) -> Bodies:
    """What the body of this route may be."""
    field = getattr(request.scope.get("route"), "body_field", None)
    body = getattr(getattr(field, "field_info", None), "annotation", None)
    if isinstance(body, type) and issubclass(body, BaseModel):
        return {"": body}
    # Of a union by kind each member is Annotated[model, Tag(kind)].
    members = [get_args(one) for one in get_args(body)]
    return {tag.tag: model for model, *marks in members for tag in marks if isinstance(tag, Tag)}
