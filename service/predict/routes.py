"""The route of predictions."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from service.deps import PredictorDep, ProjectDep
from service.errors import (
    Invalid,
    Malformed,
    ModelUnavailable,
    NotFound,
    TooLarge,
    UnsupportedMedia,
)
from service.http.openapi import reference
from service.predict.answers import passed_on
from service.predict.schemas import Question, SameKey
from service.predict.service import Sent
from service.problems import fails_with
from trainer.contract.serving import IMAGE_TYPES, Classified, ImagesIn

router = APIRouter(tags=["predict"])

_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_FILES = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "array", "items": _IMAGE["schema"]}},
    }
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": dict.fromkeys(IMAGE_TYPES, _IMAGE)
        | {"multipart/form-data": _FILES, "application/json": {"schema": reference(ImagesIn)}},
    }
}


@router.post(
    "/predict",
    openapi_extra=BODY,
    response_model=Classified,
    responses=fails_with(
        Malformed, NotFound, TooLarge, UnsupportedMedia, Invalid, ModelUnavailable
    ),
)
async def predict(
    request: Request,
    project: ProjectDep,
    predictor: PredictorDep,
    question: Annotated[Question, Query()],
    key: SameKey = None,
) -> Response:
    """Classify one image, or several, by the model that is deployed."""
    sent = Sent(request.headers.get("content-type", ""), request.stream)
    return passed_on(await predictor.ask(project, sent, key=key, **dict(question)))
