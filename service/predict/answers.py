"""What a replica said, for a client: passed on as it is, or read. Used by the routes that predict."""

import httpx
from fastapi import Response
from pydantic import ValidationError

from service.errors import (
    Invalid,
    Malformed,
    ModelUnavailable,
    ServiceError,
    TooLarge,
    UnsupportedMedia,
)
from trainer.contract.problems import MEDIA_TYPE
from trainer.contract.serving import Classified

REFUSED: dict[int, type[ServiceError]] = {
    each.status: each for each in (Malformed, TooLarge, UnsupportedMedia, Invalid)
}


def own_words(answer: httpx.Response) -> bool:
    """Whether it is a replica's answer or refusal, not something that Ray Serve's proxy says."""
    return answer.is_success or answer.headers.get("content-type") == MEDIA_TYPE


def passed_on(answer: httpx.Response) -> Response:
    """The same for the client."""
    media_type = "application/json" if answer.is_success else MEDIA_TYPE
    after = answer.headers.get("retry-after")
    headers = {"Retry-After": after} if after else None
    return Response(answer.content, answer.status_code, headers, media_type)


def classified(answer: httpx.Response) -> Classified:
    """Raises what a refusal means."""
    try:
        if answer.is_success:
            return Classified.model_validate_json(answer.content)
    except ValidationError as error:
        raise ModelUnavailable("The model's answer cannot be read; try again.") from error
    refused = REFUSED.get(answer.status_code, ModelUnavailable)
    raise refused(str(answer.json()["detail"]))
