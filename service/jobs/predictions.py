"""Routes of what a prediction writes: its files, and each of them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import StreamingResponse

from service.deps import JobId, JobsDep, ProjectDep
from service.errors import NotFound, StorageUnavailable
from service.jobs.download import (
    HEAD_RESPONSES,
    RESPONSES,
    Conditions,
    StoredFile,
    describe,
    send,
)
from service.jobs.prediction_schemas import PredictionsOut
from service.problems import fails_with

router = APIRouter(prefix="/jobs/{job_id}/predictions", tags=["jobs"])

FILE = "/files/{name}"


def _file(
    job_id: JobId,
    name: Annotated[str, Path(description="Of the file.", examples=["part-000000.parquet"])],
    project: ProjectDep,
    jobs: JobsDep,
) -> StoredFile:
    return jobs.outputs.file(project, job_id, name)


File = Annotated[StoredFile, Depends(_file)]


@router.get("", summary="List the predictions", responses=fails_with(NotFound, StorageUnavailable))
def list_predictions(
    job_id: JobId, project: ProjectDep, jobs: JobsDep, response: Response
) -> PredictionsOut:
    """Where the output of a batch prediction is, as Parquet: a row an image. While it runs, the files that
    are whole so far; they stay as they are, also when the job is resumed."""
    response.headers["Cache-Control"] = "no-store"  # a URL may be a secret
    return PredictionsOut.of(jobs.outputs.of(project, job_id), jobs.outputs.url)


@router.get(
    FILE,
    summary="Download a file of predictions",
    response_class=StreamingResponse,
    responses=RESPONSES,
)
def download_predictions(file: File, asked: Conditions) -> Response:
    """A file as `GET /jobs/{job_id}/predictions` lists it, or a part of it; its `ETag` is its SHA-256."""
    return send(file, asked)


@router.head(FILE, summary="Look at a file of predictions", responses=HEAD_RESPONSES)
def look_at_predictions(file: File) -> Response:
    """The headers of the download: its size, and its SHA-256 as `ETag`."""
    return describe(file)
