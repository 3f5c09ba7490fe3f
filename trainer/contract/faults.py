"""What pydantic says of a value, in sentences: of requests to the service, and to a replica itself."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

MISSING = "is required"
MAX_SHOWN = 20
"""Values at fault that an answer names; the rest are only counted."""


def sentence(values: Sequence[Mapping[str, Any]], count: int) -> str:
    """Of `count` values at fault those that are named, each with `loc` and `msg`."""
    said = "; ".join(_clause(value["loc"], value["msg"]) for value in values[:3])
    return f"{said}; and {count - 3} more" if count > 3 else said


def message(error: Mapping[str, Any], known: Sequence[str]) -> str:
    """What is wrong with one value, as pydantic found it; `known` are the fields that there are."""
    loc, kind = error["loc"], error["type"]
    if kind == "union_tag_not_found":
        return "should be an object"
    if kind == "extra_forbidden":
        close = get_close_matches(str(loc[-1]), known, n=1) if len(loc) == 2 else []
        return "there is no such field" + (f", did you mean '{close[0]}'?" if close else "")
    if kind == "missing":
        return MISSING
    return str(error["msg"]).removeprefix("Value error, ")


def _clause(loc: Sequence[str | int], said: str) -> str:
    """A location as people write it, body.recipe.gamma as 'recipe.gamma', and what is wrong there."""
    where = ".".join(map(str, loc[1:]))
    subject = f"'{where}'" if where else f"the {loc[0]}"
    if said == MISSING:
        return f"{subject} {said}"
    return f"{subject}: {said[:1].lower()}{said[1:]}"
