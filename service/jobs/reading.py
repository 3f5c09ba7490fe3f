"""Routes of what a job leaves behind: metrics, logs, events, checkpoints, an analysis."""

import csv
import io
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.deps import JobId, JobsDep, ProjectDep
from service.errors import NotFound, StorageUnavailable
from service.jobs import examples, follow
from service.jobs.download import (
    HEAD_RESPONSES,
    RESPONSES,
    Conditions,
    StoredFile,
    describe,
    send,
)
from service.jobs.read_schemas import (
    CheckpointsOut,
    EventsOut,
    LinesWanted,
    PointsOut,
    PointsWanted,
)
from service.problems import fails_with
from trainer.contract.analysis import Analysis
from trainer.contract.attempts import MetricPoint

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"])

FILE = "/checkpoints/{step}/files/{name}"
FAILURES = fails_with(NotFound, StorageUnavailable)


def _there(job_id: JobId, project: ProjectDep, jobs: JobsDep) -> str:
    """Before a stream begins: a failure after that could not be said any more."""
    return jobs.get(project, job_id).id


def _content(media_type: str, example: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string"}, "example": example}}}}


def _file(
    job_id: JobId,
    step: Annotated[int, Path(ge=0, le=2**53, description="Of the checkpoint.")],
    name: Annotated[str, Path(description="Of the file.", examples=["model.safetensors"])],
    project: ProjectDep,
    jobs: JobsDep,
) -> StoredFile:
    return jobs.records.checkpoint_file(project, job_id, step, name)


File = Annotated[StoredFile, Depends(_file)]
StreamedJob = Annotated[str, Depends(_there)]
Points = Annotated[PointsWanted, Query()]
Lines = Annotated[LinesWanted, Query()]
LastEventId = Annotated[
    str | None, Header(max_length=64, description="The last event that the client has.")
]


@router.get(
    "/metrics",
    summary="Read the metrics",
    response_model=PointsOut,
    responses=FAILURES | _content("text/csv", examples.CSV),
)
def get_metrics(
    job_id: JobId,
    project: ProjectDep,
    jobs: JobsDep,
    wanted: Points,
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
) -> PointsOut | Response:
    """Each step once, over all attempts. `Accept: text/csv` gives a table."""
    points = jobs.records.metrics(project, job_id, **wanted.model_dump())
    if "text/csv" in accept:
        return Response(_csv(points), media_type="text/csv")
    return PointsOut(points=points)


@router.get(
    "/metrics/stream",
    summary="Follow the metrics",
    response_class=EventSourceResponse,
    responses=FAILURES | _content("text/event-stream", examples.EVENT_STREAM),
)
async def stream_metrics(
    job_id: StreamedJob,
    project: ProjectDep,
    jobs: JobsDep,
    wanted: Points,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: every point so far, then each as it is written, then `event: end` with the
    job's last state. A client that comes back with `Last-Event-ID` misses nothing."""
    since = follow.resumed(last_event_id, wanted.since_step)
    async for event in follow.points(jobs, project, job_id, since=since, split=wanted.split):
        yield event


@router.get(
    "/logs",
    summary="Read the log",
    response_class=PlainTextResponse,
    responses=FAILURES | _content("text/plain", examples.LOG),
)
def get_logs(job_id: StreamedJob, project: ProjectDep, jobs: JobsDep, wanted: Lines) -> Response:
    """What the workers of every attempt wrote, kept after Ray has forgotten it."""
    read = partial(jobs.records.logs, project, job_id, **wanted.model_dump(exclude={"follow"}))
    if not wanted.follow:
        return PlainTextResponse(follow.text(read()))
    following = follow.lines(jobs, project, job_id, read)
    return StreamingResponse(following, media_type="text/plain")


@router.get("/events", summary="List the events", responses=fails_with(NotFound))
def list_events(job_id: JobId, project: ProjectDep, jobs: JobsDep) -> EventsOut:
    """Every change of the job's state: when, from, to, and why."""
    return EventsOut.of(jobs.events(project, job_id))


@router.get("/checkpoints", summary="List the checkpoints", responses=FAILURES)
def list_checkpoints(
    job_id: JobId, project: ProjectDep, jobs: JobsDep, response: Response
) -> CheckpointsOut:
    """Those that can be used, each with its files and where to fetch them."""
    response.headers["Cache-Control"] = "no-store"  # a URL may be a secret
    found = jobs.records.checkpoints(project, job_id)
    return CheckpointsOut.of(found, jobs.records.checkpoint_url)


@router.get(
    FILE,
    summary="Download a checkpoint's file",
    response_class=StreamingResponse,
    responses=RESPONSES,
)
def download(file: File, asked: Conditions) -> Response:
    """A file as `GET /jobs/{job_id}/checkpoints` lists it, or a part of it; its `ETag` is its SHA-256."""
    return send(file, asked)


@router.head(FILE, summary="Look at a checkpoint's file", responses=HEAD_RESPONSES)
def look(file: File) -> Response:
    """The headers of the download: its size, and its SHA-256 as `ETag`."""
    return describe(file)


@router.get(
    "/analysis",
    summary="Read the analysis",
    response_model=Analysis,
    responses=FAILURES
    | {
        200: {
            "content": {
                "application/json": {"example": examples.ANALYSIS.model_dump(mode="json")},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            }
        }
    },
)
def get_analysis(
    job_id: JobId,
    project: ProjectDep,
    jobs: JobsDep,
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
) -> Analysis | Response:
    """Of an evaluation with `analyse`: how much each layer responds (Fig. 7 of the paper), and its
    gradient. `Accept: image/png` gives a picture."""
    if "image/png" in accept:
        return Response(jobs.records.analysis_picture(project, job_id), media_type="image/png")
    return jobs.records.analysis(project, job_id)


def _csv(points: list[MetricPoint]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(MetricPoint.model_fields))
    writer.writeheader()
    writer.writerows(point.model_dump(mode="json") for point in points)
    return table.getvalue()
