"""What a client is told when there is no answer: a problem, as the service writes them. Used by
`answering`."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from trainer.contract import faults
from trainer.contract.problems import INVALID, MEDIA_TYPE, Kind, problem


class Refused(Exception):
    """A request that is not answered, and why."""

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        errors: Sequence[dict[str, Any]] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind, self.errors, self.retry_after_s = kind, errors, retry_after_s


def invalid(errors: Sequence[Any], *, where: str, known: Sequence[str]) -> Refused:
    """Of pydantic's `errors` in the query or the body, `where`, which has the fields `known`."""
    values = []
    for error in errors[: faults.MAX_SHOWN]:
        loc = [where, *error["loc"]]
        values.append({"loc": loc, "msg": faults.message(error | {"loc": loc}, known)})
    return Refused(INVALID, faults.sentence(values, len(errors)), errors=values)


def at_fault(field: str, message: str, *, where: str = "body") -> Refused:
    """Of one value, with the sentence that says so."""
    return Refused(INVALID, message, errors=[{"loc": [where, *field.split(".")], "msg": message}])


def response(refused: Refused) -> Response:
    """The answer that a client gets."""
    said = problem(refused.kind, str(refused), refused.errors)
    after = refused.retry_after_s
    return Response(
        json.dumps(said, ensure_ascii=False).encode(errors="replace"),
        refused.kind.status,
        {"Retry-After": str(after)} if after is not None else None,
        media_type=MEDIA_TYPE,
    )
