"""What the catalogue's routes take and give."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.catalogue.paper import PAPER, PaperFigures
from service.http.example import example
from trainer.contract import counting
from trainer.contract.archs import Architecture, Network, Shortcut, Stem, Stride, resolve
from trainer.contract.datasets import DATASETS, DatasetInfo, Source
from trainer.contract.family import Family


class Variant(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Which network of a name is meant."""

    family: Family | None = None
    """Default: imagenet for 18, 34, 50, 101 and 152 layers, else cifar."""
    shortcut: Shortcut | None = None
    """Default: B in the ImageNet family, A in the CIFAR family."""
    stride: Stride = "v1"
    """Where a bottleneck halves the image: v1 in its first 1×1 as in the paper, v1.5 in its 3×3."""
    stem: Stem = "paper"
    """Of the ImageNet family: the paper's 7×7/2 and max-pool, or small, one 3×3 of stride 1."""
    classes: int | None = Field(default=None, ge=1, le=100_000)
    """Of the classifier. Default: 1000 of ImageNet, 10 of CIFAR-10."""


class ArchSummary(BaseModel, use_attribute_docstrings=True):
    """A network in the list, with its default shortcut and the paper's number of classes."""

    name: str
    family: Family
    layers: int
    """Weighted layers as the paper counts them: projections are not counted."""
    shortcut: Shortcut | None
    """None is a plain network, or a baseline."""
    classes: int
    parameters: int
    """All that training learns; auxiliary classifiers count here, and nowhere else."""
    multiply_adds: int
    """Of one image's forward pass, in convolutions and fully connected layers, as the paper counts."""
    input_size: int
    """Side in pixels of the square image."""
    links: dict[str, str]

    @classmethod
    def of(cls, arch: Network) -> "ArchSummary":
        return _summary(arch, classes_in_paper(arch.family))


class BlockRow(BaseModel, use_attribute_docstrings=True):
    """A row of the network's table, as the paper's Table 1 has them."""

    layer: str
    output: int
    """Side in pixels of the layer's output."""
    block: str
    """Layers of one block: kernel, output channels. Branches, and blocks that differ, stand between
    semicolons."""
    blocks: int
    parameters: int
    multiply_adds: int


class ArchOut(ArchSummary):
    """A network in full."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: ArchOut.of_classes(resolve("resnet20"), None))
    )

    stride: Stride | None
    """None is a baseline."""
    stem: Stem | None
    """None is a baseline."""
    source: str
    """Authors, title and year of the paper it is from."""
    table: list[BlockRow]
    paper: PaperFigures
    """The paper's own figures, whatever the shortcut; empty where its tables have none."""

    @classmethod
    def of_classes(cls, arch: Network, classes: int | None) -> "ArchOut":
        count = classes or classes_in_paper(arch.family)
        rows = counting.block_table(arch, count, arch.input_size)
        residual = arch if isinstance(arch, Architecture) else None
        return cls(
            **_summary(arch, count).model_dump(),
            stride=residual.stride if residual else None,
            stem=residual.stem if residual else None,
            source=arch.source,
            table=[
                BlockRow(
                    layer=row.layer,
                    output=row.output_side,
                    block=row.block,
                    blocks=row.blocks,
                    parameters=row.parameters,
                    multiply_adds=row.multiply_adds,
                )
                for row in rows
            ],
            paper=PAPER.get(arch.name, PaperFigures()),
        )


class ArchsOut(BaseModel):
    """Every network that has a name of its own."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: ArchsOut(items=[ArchSummary.of(resolve("resnet20"))]))
    )

    items: list[ArchSummary]
    next_cursor: str | None = None


class Split(BaseModel):
    images: int


class DatasetOut(BaseModel, use_attribute_docstrings=True):
    """A data set, and whether a job can begin with it at once."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: DatasetOut.of(DATASETS["digits"], None))
    )

    name: str
    description: str
    source: Source
    """bundled: inside the package. generated: from a seed. download: fetched at first use."""
    licence: str
    classes: tuple[str, ...]
    """In the order of the labels 0, 1, …"""
    splits: dict[Literal["train", "val"], Split]
    stored_size: int
    """Side in pixels of the images as they come."""
    input_size: int
    """Side in pixels of what the network gets."""
    grey: bool
    ready: bool
    reason: str | None
    """Why it is not ready."""
    links: dict[str, str]

    @classmethod
    def of(cls, info: DatasetInfo, lacking: str | None) -> "DatasetOut":
        return cls(
            name=info.name,
            description=info.description,
            source=info.source,
            licence=info.licence,
            classes=info.classes,
            splits={"train": Split(images=info.train_images), "val": Split(images=info.val_images)},
            stored_size=info.stored_size,
            input_size=info.input_size,
            grey=info.grey,
            ready=lacking is None,
            reason=lacking,
            links={"self": f"/datasets/{info.name}"},
        )


class DatasetsOut(BaseModel):
    """Every data set."""

    model_config = ConfigDict(
        json_schema_extra=example(
            lambda: DatasetsOut(items=[DatasetOut.of(DATASETS["digits"], None)])
        )
    )

    items: list[DatasetOut]
    next_cursor: str | None = None


def classes_in_paper(family: Family) -> int:
    """Of ImageNet or CIFAR-10."""
    return 1000 if family is Family.IMAGENET else 10


def _summary(arch: Network, classes: int) -> ArchSummary:
    return ArchSummary(
        name=arch.name,
        family=arch.family,
        layers=arch.depth,
        shortcut=arch.shortcut,
        classes=classes,
        parameters=counting.parameters(arch, classes),
        multiply_adds=counting.multiply_adds(arch, classes, arch.input_size),
        input_size=arch.input_size,
        links={"self": f"/archs/{arch.name}"},
    )
