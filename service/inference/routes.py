"""Routes of the Open Inference Protocol, with two of Triton's extensions."""

from importlib.metadata import version as version_of
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from service.deps import InferenceDep, ModelName, ProjectDep
from service.errors import (
    Invalid,
    Malformed,
    ModelUnavailable,
    NotFound,
    TooLarge,
    UnsupportedMedia,
)
from service.http.openapi import reference
from service.inference import asking
from service.inference.answering import answer
from service.inference.asking import Asked
from service.inference.schemas import (
    InferIn,
    InferOut,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from service.predict.schemas import SameKey
from service.problems import fails_with

router = APIRouter(prefix="/v2", tags=["inference"])

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": reference(InferIn)},
            "application/octet-stream": _BINARY,
        },
    },
    "parameters": [
        {
            "name": asking.HEADER_LENGTH,
            "in": "header",
            "required": False,
            "description": "Bytes of the JSON object, when binary data follows it.",
            "schema": {"type": "integer"},
        }
    ],
}
FAILURES = fails_with(NotFound, ModelUnavailable)
INFER_FAILURES = fails_with(
    Malformed, NotFound, TooLarge, UnsupportedMedia, Invalid, ModelUnavailable
)
BINARY_TOO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": _BINARY}}
}


async def _version(
    version: Annotated[str, Path(description="Of the model.", examples=["1"])],
) -> int:
    if not (version.isascii() and version.isdigit() and 0 < len(version) < 10):
        raise NotFound("There is no such version; GET /models/NAME lists them.")
    return int(version)


AskedDep = Annotated[Asked, Depends(asking.asked)]
Version = Annotated[int, Depends(_version)]
"""A well-formed number from the path `{version}`; anything else is not there."""


@router.get("", summary="Server metadata")
async def server(_: ProjectDep) -> ServerMetadata:
    """What answers here, and which extensions it has."""
    return ServerMetadata(version=version_of("residual"))


@router.get("/health/live", summary="Server live?")
async def live(_: ProjectDep) -> ServerLive:
    """The server answers."""
    return ServerLive()


@router.get("/health/ready", summary="Server ready?", responses=fails_with(ModelUnavailable))
def ready(project: ProjectDep, inference: InferenceDep) -> ServerReady:
    """Every deployed model of the project answers; 503 while one does not."""
    inference.all_ready(project)
    return ServerReady()


@router.get("/models/{name}", summary="Model metadata", responses=FAILURES)
def model(name: ModelName, project: ProjectDep, inference: InferenceDep) -> ModelMetadata:
    """What a deployed model takes and gives."""
    return inference.metadata(project, name, None)


@router.get("/models/{name}/versions/{version}", summary="Version metadata", responses=FAILURES)
def model_version(
    name: ModelName, version: Version, project: ProjectDep, inference: InferenceDep
) -> ModelMetadata:
    """What a version that answers takes and gives."""
    return inference.metadata(project, name, version)


@router.get("/models/{name}/ready", summary="Model ready?", responses=FAILURES)
def model_ready(name: ModelName, project: ProjectDep, inference: InferenceDep) -> ModelReady:
    """The model answers; 503 while it does not."""
    inference.ready(project, name, None)
    return ModelReady(name=name)


@router.get("/models/{name}/versions/{version}/ready", summary="Version ready?", responses=FAILURES)
def version_ready(
    name: ModelName, version: Version, project: ProjectDep, inference: InferenceDep
) -> ModelReady:
    """The version answers; 503 while it does not."""
    inference.ready(project, name, version)
    return ModelReady(name=name)


@router.post(
    "/models/{name}/infer",
    summary="Infer",
    openapi_extra=BODY,
    response_model=InferOut,
    responses=INFER_FAILURES | BINARY_TOO,
)
async def infer(
    name: ModelName,
    project: ProjectDep,
    inference: InferenceDep,
    asked: AskedDep,
    key: SameKey = None,
) -> Response:
    """Classify images: `image` in, BYTES of whole JPEG, PNG or WebP files; `probabilities` out, FP32,
    or BYTES `probability:index:label` with the parameter `classification`."""
    return answer(asked, await inference.infer(project, name, None, asked, key=key))


@router.post(
    "/models/{name}/versions/{version}/infer",
    summary="Infer by a version",
    openapi_extra=BODY,
    response_model=InferOut,
    responses=INFER_FAILURES | BINARY_TOO,
)
async def infer_by_version(
    name: ModelName, version: Version, project: ProjectDep, inference: InferenceDep, asked: AskedDep
) -> Response:
    """The same, and refuse the answer of another version."""
    return answer(asked, await inference.infer(project, name, version, asked, key=None))
