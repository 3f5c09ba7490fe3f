"""Routes of what a sweep has beside what every job has: its trials and its report."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from service.deps import JobId, ProjectDep, SweepsDep
from service.errors import NotFound, StorageUnavailable, Unavailable
from service.problems import fails_with
from service.sweeps import examples, markdown, page, pictures, report
from service.sweeps.report import Report
from service.sweeps.schemas import TrialsOut, TrialsWanted

router = APIRouter(prefix="/jobs/{job_id}", tags=["sweeps"])

FAILURES = fails_with(NotFound, StorageUnavailable)
OTHER_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"example": examples.REPORT.model_dump(mode="json")},
            "text/markdown": {
                "schema": {"type": "string"},
                "example": markdown.of(examples.REPORT),
            },
            "text/html": {
                "schema": {"type": "string"},
                "example": "<!doctype html><html>…</html>",
            },
            "image/png": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
Picture = Annotated[
    pictures.Picture,
    Query(
        description="Of `image/png`: errors against epochs, or against optimizer steps, or the last error "
        "against depth, or the layers' responses where the sweep has measured them."
    ),
]


@router.get("/trials", summary="List a sweep's trials", responses=FAILURES)
def list_trials(
    job_id: JobId, project: ProjectDep, sweeps: SweepsDep, wanted: Annotated[TrialsWanted, Query()]
) -> TrialsOut:
    """A row for each trial, in the order in which they were proposed. Each is a job of its own, with
    metrics, logs and checkpoints."""
    found, after = sweeps.trials(project, job_id, limit=wanted.limit, after=wanted.cursor)
    return TrialsOut.of(found, after)


@router.get(
    "/report",
    summary="Read a sweep's report",
    response_model=Report,
    responses=fails_with(NotFound, StorageUnavailable, Unavailable) | OTHER_FORMS,
)
def get_report(
    job_id: JobId,
    project: ProjectDep,
    sweeps: SweepsDep,
    picture: Picture = "curves",
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
) -> Report | Response:
    """What the sweep came to, as far as it has come: a row for each training over its seeds, beside the
    paper's figure. `Accept: text/markdown` gives it as text, `text/html` as a page with its pictures,
    `image/png` as one of these."""
    measured = sweeps.measured(project, job_id)
    draw = sweeps.renderer.draw
    if "text/html" in accept:  # first: some browsers would take a PNG as well
        return HTMLResponse(page.of(measured, draw), headers=page.HEADERS)
    if "image/png" in accept:
        return Response(draw(measured, [picture])[0], media_type="image/png")
    written = report.write(measured)
    if "text/markdown" in accept:
        return PlainTextResponse(markdown.of(written), media_type="text/markdown")
    return written
