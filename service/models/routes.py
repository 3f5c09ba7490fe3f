"""Routes of the model registry."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.deps import ModelName, ModelsDep, ProjectDep
from service.errors import Conflict, NotFound, StorageUnavailable
from service.models.schemas import (
    AliasIn,
    ModelOut,
    ModelsOut,
    ModelSummary,
    Number,
    RegisteredOut,
    RegisterIn,
)
from service.problems import fails_with
from trainer.contract.names import Name

router = APIRouter(prefix="/models", tags=["models"])

Alias = Annotated[Name, Path(description="Of a version.", examples=["champion"])]
Version = Annotated[Number, Path(description="Its number.")]


@router.post("", status_code=201, responses=fails_with(NotFound, Conflict, StorageUnavailable))
def register(
    body: RegisterIn, response: Response, project: ProjectDep, models: ModelsDep
) -> RegisteredOut:
    """Make a new version of a model from a job's best checkpoint, or from a named one."""
    made = models.register(project, body.name, body.job, step=body.checkpoint)
    response.headers["Location"] = f"/models/{made.name}"
    return RegisteredOut.of(made)


@router.get("")
def list_models(
    project: ProjectDep,
    models: ModelsDep,
    limit: Annotated[int, Query(ge=1, le=500, description="Models on a page.")] = 50,
    cursor: Annotated[Name | None, Query(description="A page's `next_cursor`.")] = None,
) -> ModelsOut:
    """Models by name, each with its newest version."""
    found, following = models.page(project, limit=limit, cursor=cursor)
    return ModelsOut(items=[ModelSummary.of(model) for model in found], next_cursor=following)


@router.get("/{name}", responses=fails_with(NotFound))
def get_model(name: ModelName, project: ProjectDep, models: ModelsDep) -> ModelOut:
    """A model with all its versions and where each came from."""
    return ModelOut.of(models.get(project, name))


@router.delete(
    "/{name}/versions/{version}", status_code=204, responses=fails_with(NotFound, Conflict)
)
def delete_version(
    name: ModelName, version: Version, project: ProjectDep, models: ModelsDep
) -> None:
    """Delete a version that no alias and no deployment names. Its number is not used again."""
    models.delete(project, name, version)


@router.put("/{name}/aliases/{alias}", responses=fails_with(NotFound))
def put_alias(
    name: ModelName, alias: Alias, body: AliasIn, project: ProjectDep, models: ModelsDep
) -> ModelOut:
    """Let an alias mean a version. A deployment by that alias follows."""
    return ModelOut.of(models.point(project, name, alias, body.version))


@router.delete("/{name}/aliases/{alias}", status_code=204, responses=fails_with(NotFound, Conflict))
def delete_alias(name: ModelName, alias: Alias, project: ProjectDep, models: ModelsDep) -> None:
    """Delete an alias that no deployment follows."""
    models.drop_alias(project, name, alias)
