"""Routes about the service itself. All but `/cluster` are open."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from service.deps import ProjectDep, SystemDep
from service.errors import ClusterUnavailable, NotFound
from service.problems import fails_with
from service.system.schemas import AliveOut, ClusterOut, ProblemKind, ReadyOut

router = APIRouter(tags=["system"])
open_router = APIRouter(tags=["system"])


@open_router.get("/healthz", summary="Alive?")
async def healthz() -> AliveOut:
    """The process answers; says nothing of the parts it stands on."""
    return AliveOut()


@open_router.get("/readyz", summary="Ready?", responses={503: {"model": ReadyOut}})
def readyz(response: Response, system: SystemDep) -> ReadyOut:
    """Each part with its state; 503 while one of them is away."""
    ready = ReadyOut.of(system.away())
    response.status_code = 200 if ready.ready else 503
    return ready


@router.get(
    "/cluster", summary="Show the cluster and the line", responses=fails_with(ClusterUnavailable)
)
def cluster(project: ProjectDep, system: SystemDep) -> ClusterOut:
    """Nodes, CPUs and GPUs in all and free, and what each queued job waits for."""
    return ClusterOut.of(system.capacity(), system.queue(), project=project)


@open_router.get("/problems/{code}", summary="Explain a failure", responses=fails_with(NotFound))
async def problem(
    code: Annotated[str, Path(description="Of a problem.", examples=["not_found"])],
) -> ProblemKind:
    """What a problem's `type` leads to."""
    return ProblemKind.of(code)
