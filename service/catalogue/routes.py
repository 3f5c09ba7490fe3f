"""Routes of the catalogue: networks and data sets."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.catalogue.schemas import (
    ArchOut,
    ArchsOut,
    ArchSummary,
    DatasetOut,
    DatasetsOut,
    Variant,
)
from service.deps import CatalogueDep
from service.errors import Invalid, NotFound, StorageUnavailable
from service.problems import fails_with

router = APIRouter(tags=["catalogue"])


@router.get("/archs", summary="List the networks")
def list_archs(catalogue: CatalogueDep) -> ArchsOut:
    """Every network that has a name; `resnet` and `plain` take any depth of their family."""
    return ArchsOut(items=[ArchSummary.of(arch) for arch in catalogue.archs()])


@router.get("/archs/{name}", summary="Show a network", responses=fails_with(NotFound, Invalid))
def get_arch(
    name: Annotated[str, Path(description="Of a network.", examples=["resnet20"])],
    catalogue: CatalogueDep,
    variant: Annotated[Variant, Query()],
) -> ArchOut:
    """A network's size, its block table, its source, and the paper's figures. Any depth: `resnet26`."""
    arch = catalogue.arch(name, **variant.model_dump(exclude={"classes"}))
    return ArchOut.of_classes(arch, variant.classes)


@router.get("/datasets", summary="List the data sets", responses=fails_with(StorageUnavailable))
def list_datasets(catalogue: CatalogueDep) -> DatasetsOut:
    """Every data set, and whether it is ready."""
    return DatasetsOut(items=[DatasetOut.of(*found) for found in catalogue.datasets()])


@router.get(
    "/datasets/{name}",
    summary="Show a data set",
    responses=fails_with(NotFound, StorageUnavailable),
)
def get_dataset(
    name: Annotated[str, Path(description="Of a data set.", examples=["digits"])],
    catalogue: CatalogueDep,
) -> DatasetOut:
    """A data set's splits, classes and sizes; `reason` says why it is not ready."""
    return DatasetOut.of(*catalogue.dataset(name))
