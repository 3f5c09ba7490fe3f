"""Routes of deployments."""

from functools import partial

from fastapi import APIRouter

from service.deployments.schemas import DeploymentIn, DeploymentOut
from service.deps import DeploymentsDep, ModelName, ProjectDep
from service.errors import AlreadyTaken, Conflict, Invalid, NotFound
from service.problems import fails_with

router = APIRouter(prefix="/models/{name}/deployment", tags=["deployments"])


@router.put("", status_code=202, responses=fails_with(NotFound, AlreadyTaken, Invalid))
def deploy(
    name: ModelName, body: DeploymentIn, project: ProjectDep, deployments: DeploymentsDep
) -> DeploymentOut:
    """Let a version serve. What serves now goes on until the new one has proved itself.

    With a `canary`, another version runs beside it and answers its share of the requests; each answer
    says which version gave it. A canary that does not start, or is not well, gets none. An `ensemble` is
    deployed under a name that no model has; each one is a version of that name.
    """
    number = partial(deployments.versions.ensemble, project, name)
    asked = deployments.ask(project, name, **body.decided(number))
    return DeploymentOut.of(asked)


@router.post("/rollback", status_code=202, responses=fails_with(NotFound, Conflict))
def roll_back(name: ModelName, project: ProjectDep, deployments: DeploymentsDep) -> DeploymentOut:
    """Take the canary away, if there is one; else go back to the version that served before. Asking
    again changes nothing: it does not go further back."""
    return DeploymentOut.of(deployments.roll_back(project, name))


@router.get("", responses=fails_with(NotFound))
def get_deployment(
    name: ModelName, project: ProjectDep, deployments: DeploymentsDep
) -> DeploymentOut:
    """What is to serve, and what does."""
    return DeploymentOut.of(deployments.get(project, name))


@router.delete("", status_code=202, responses=fails_with(NotFound))
def take_down(name: ModelName, project: ProjectDep, deployments: DeploymentsDep) -> None:
    """Take a deployment down; its replicas end within seconds."""
    deployments.take_down(project, name)
