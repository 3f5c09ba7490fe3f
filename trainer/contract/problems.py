"""What a failure looks like to a client (RFC 9457): the service's, and those that a replica answers
itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """One kind of failure; `service.errors` has all of them, with the same words."""

    status: int
    code: str
    title: str


MALFORMED = Kind(400, "malformed", "Malformed request")
NOT_FOUND = Kind(404, "not_found", "Not found")
TOO_LARGE = Kind(413, "too_large", "Too large")
UNSUPPORTED_MEDIA = Kind(415, "unsupported_media", "Unsupported media type")
INVALID = Kind(422, "invalid", "Invalid value")
MODEL_UNAVAILABLE = Kind(503, "model_unavailable", "The model is not serving yet")

OF_A_REPLICA = (MALFORMED, NOT_FOUND, TOO_LARGE, UNSUPPORTED_MEDIA, INVALID, MODEL_UNAVAILABLE)


def problem(
    kind: Kind, message: str, errors: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The JSON of a failure; `errors` are the values at fault, each with `loc` and `msg`."""
    said: dict[str, Any] = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": sentence(message),
        "code": kind.code,
    }
    return said | ({"errors": list(errors)} if errors else {})


def sentence(message: str) -> str:
    """With a capital letter and a full stop, however it was raised."""
    stop = "" if message.endswith((".", "!", "?")) else "."
    return f"{message[:1].upper()}{message[1:]}{stop}"
