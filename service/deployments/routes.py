"""Routes of deployments."""

from fastapi import APIRouter

from service.deployments.schemas import DeploymentIn, DeploymentOut
from service.deps import DeploymentsDep, ModelName, ProjectDep
from service.errors import NotFound
from service.problems import fails_with

router = APIRouter(prefix="/models/{name}/deployment", tags=["deployments"])


@router.put("", status_code=202, responses=fails_with(NotFound))
def deploy(
    name: ModelName, body: DeploymentIn, project: ProjectDep, deployments: DeploymentsDep
) -> DeploymentOut:
    """Let a version serve. What serves now goes on until the new one has proved itself."""
    asked = deployments.ask(
        project, name, version=body.version, alias=body.alias, replicas=body.replicas.decided()
    )
    return DeploymentOut.of(asked)


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
