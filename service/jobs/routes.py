"""Routes of jobs: submit, list, look, change, pause, resume, cancel, delete. What a job left behind is
read in `reading`."""

import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Response

from service.deps import JobId, JobsDep, ProjectDep
from service.errors import (
    ClusterUnavailable,
    IdempotencyMismatch,
    IllegalTransition,
    Invalid,
    NotFound,
    QuotaExceeded,
    StorageUnavailable,
)
from service.jobs import examples
from service.jobs.schemas import JobChange, JobOut, JobsOut, JobsWanted, PlanOut, Resumption
from service.problems import fails_with
from trainer.contract.kinds import JobSpec

router = APIRouter(prefix="/jobs", tags=["jobs"])

Submission = Annotated[JobSpec, Body(openapi_examples=examples.BODIES)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Any text of your own: sent again with the same body within 24 hours, it "
        "answers what the first request was answered, and makes no second job. A request that is "
        "refused leaves the key free. The calls on a job that there is need no key: sent again, they "
        "change nothing more.",
    ),
]
AS_IT_WAS = Resumption()
DryRun = Annotated[bool, Query(description="Answer with the plan (200), and make no job.")]


@router.post(
    "",
    status_code=201,
    summary="Submit a job",
    response_model=JobOut,
    response_description="The job, waiting in line",
    responses=fails_with(Invalid, IdempotencyMismatch, QuotaExceeded, ClusterUnavailable)
    | {
        200: {"model": PlanOut, "description": "The plan, with `dry_run=true`"},
        201: {"headers": {"Location": {"schema": {"type": "string"}}}},
    },
)
def create_job(  # noqa: PLR0913, PLR0917 - the body, two options, and where to put the answer
    spec: Submission,
    response: Response,
    project: ProjectDep,
    jobs: JobsDep,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> JobOut | Response:
    """Train a network; the least body is `{"arch": "resnet20", "dataset": "fashion-mnist-mini"}`. Or
    evaluate registered models: `{"kind": "evaluate", "model": "fashion", "protocol": "10-crop"}`. Or
    classify many images: `{"kind": "predict", "model": "fashion", "dataset": "fashion-mnist-mini"}`.

    It waits in line until the cluster can hold all of it; its `reason` says what it waits for.
    """
    if dry_run:
        return _as_json(PlanOut.of(jobs.plan(project, spec)))
    key, said = idempotency_key, _digest(spec)
    job, _ = jobs.create(project, spec, idempotency_key=key, body_sha256=said)
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobOut.of(job)


@router.get("", summary="List jobs", responses=fails_with(Invalid))
def list_jobs(
    project: ProjectDep, jobs: JobsDep, wanted: Annotated[JobsWanted, Query()]
) -> JobsOut:
    """Newest first; `next_cursor` leads to older ones."""
    return JobsOut.of(jobs.page(project, **wanted.asked()))


@router.get("/{job_id}", summary="Show a job", responses=fails_with(NotFound))
def get_job(job_id: JobId, project: ProjectDep, jobs: JobsDep) -> JobOut:
    """A job's state, why it is in it, how far it is, and what it came to."""
    return JobOut.of(jobs.get(project, job_id))


@router.patch(
    "/{job_id}", summary="Change a job", responses=fails_with(NotFound, IllegalTransition, Invalid)
)
def change_job(job_id: JobId, change: JobChange, project: ProjectDep, jobs: JobsDep) -> JobOut:
    """Another priority, name, or other labels; what is left out stays as it is. Of a job that has ended
    only the name and the labels can be changed."""
    return JobOut.of(jobs.change(project, job_id, change.model_dump(exclude_unset=True)))


@router.delete(
    "/{job_id}",
    status_code=204,
    summary="Delete a job",
    responses=fails_with(NotFound, IllegalTransition),
)
def delete_job(job_id: JobId, project: ProjectDep, jobs: JobsDep) -> None:
    """Forget a job that has ended, with its metrics, logs and checkpoints. Models that were registered of
    it keep their own copy."""
    jobs.delete(project, job_id)


@router.post(
    "/{job_id}/pause",
    status_code=202,
    summary="Pause a job",
    responses=fails_with(NotFound, IllegalTransition),
)
def pause_job(job_id: JobId, project: ProjectDep, jobs: JobsDep) -> JobOut:
    """Ask a job to keep a checkpoint of the step it is at, and to give its resources back. A job that
    waits in line leaves it. Sent again, it changes nothing."""
    return JobOut.of(jobs.pause(project, job_id))


@router.post(
    "/{job_id}/resume",
    status_code=202,
    summary="Resume or extend a job",
    responses=fails_with(NotFound, IllegalTransition, Invalid, QuotaExceeded, StorageUnavailable),
)
def resume_job(
    job_id: JobId, project: ProjectDep, jobs: JobsDep, how: Resumption = AS_IT_WAS
) -> JobOut:
    """Let a paused, failed or cancelled job go on from its last good checkpoint: the same id, its next
    attempt. A training that succeeded goes on to more `epochs`; an evaluation starts anew. The body may
    be left out. Sent again while the job waits in line, it changes nothing."""
    return JobOut.of(jobs.resume(project, job_id, how.more()))


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    summary="Cancel a job",
    responses=fails_with(NotFound, IllegalTransition),
)
def cancel_job(job_id: JobId, project: ProjectDep, jobs: JobsDep) -> JobOut:
    """Ask a job to stop; its processes are gone and its resources free within 10 s. It may keep a
    checkpoint before, from which it can be resumed. Sent again, it changes nothing."""
    return JobOut.of(jobs.cancel(project, job_id))


def _digest(spec: JobSpec) -> str:
    """Of what was said, however it was spaced and in whatever order."""
    said = spec.model_dump(mode="json", exclude_unset=True)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _as_json(plan: PlanOut) -> Response:
    return Response(plan.model_dump_json(), media_type="application/json")
