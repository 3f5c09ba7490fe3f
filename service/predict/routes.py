"""The route of predictions."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

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
from service.predict import upload
from service.predict.schemas import ImagesIn, Question, SameKey
from service.problems import fails_with
from trainer.contract.serving import Classified

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
        "content": dict.fromkeys(upload.IMAGE_TYPES, _IMAGE)
        | {"multipart/form-data": _FILES, "application/json": {"schema": reference(ImagesIn)}},
    }
}

Images = Annotated[list[bytes], Depends(upload.images)]


@router.post(
    "/predict",
    openapi_extra=BODY,
    responses=fails_with(
        Malformed, NotFound, TooLarge, UnsupportedMedia, Invalid, ModelUnavailable
    ),
)
async def predict(
    project: ProjectDep,
    predictor: PredictorDep,
    images: Images,
    question: Annotated[Question, Query()],
    key: SameKey = None,
) -> Classified:
    """Classify one image, or several, by the model that is deployed."""
    return await predictor.predict(project, images, key=key, **question.model_dump())
