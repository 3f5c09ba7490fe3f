"""The paper's tables and figures as sweeps: which networks, on what data, measured how. Pure; the service
makes a sweep of a `Design`, and its report asks a `Preset` what it stands for.
"""

from typing import Literal

from pydantic import BaseModel, JsonValue

from trainer.contract.datasets import DatasetInfo
from trainer.contract.evaluation import Protocol
from trainer.contract.family import Family
from trainer.contract.recipes import RECIPES, Length
from trainer.contract.space import Point
from trainer.contract.suits import Unresolvable

PaperData = Literal["cifar10", "imagenet"]
"""Names of `GET /datasets` for the data that the paper trains on."""

PAPER_DATA: dict[Family, PaperData] = {Family.CIFAR: "cifar10", Family.IMAGENET: "imagenet"}

PaperRecipe = Literal["paper-cifar", "paper-imagenet"]

PAPER_RECIPES: dict[Family, PaperRecipe] = {
    Family.CIFAR: "paper-cifar",
    Family.IMAGENET: "paper-imagenet",
}


class Afterwards(BaseModel, frozen=True, use_attribute_docstrings=True):
    """Evaluations that come when all networks of a preset are trained."""

    kind: Literal["ensemble", "analysis"]
    """ensemble: one evaluation of all networks together. analysis: one of each network, with its layers'
    responses."""
    protocol: Protocol


class Preset(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One table or figure of the paper."""

    name: str
    title: str
    table: int | None = None
    """The table's number in the paper; None is a figure."""
    figure: int | None = None
    """The figure's number in the paper; None is a table."""
    family: Family
    """Of all its networks: it decides the paper's data and recipe."""
    points: tuple[Point, ...]
    """A training each, in the paper's order."""
    protocol: Protocol = "center"
    """How the validation images are shown to each network after its last step."""
    afterwards: Afterwards | None = None

    @property
    def reproduces(self) -> str:
        """As one would cite it: Table 6, Fig. 6."""
        return f"Table {self.table}" if self.table else f"Fig. {self.figure}"

    @property
    def dataset(self) -> PaperData:
        """What the paper trains on."""
        return PAPER_DATA[self.family]

    @property
    def recipe(self) -> PaperRecipe:
        return PAPER_RECIPES[self.family]

    @property
    def length(self) -> Length:
        """Images a step and steps of each training, in the paper."""
        return RECIPES[self.recipe].length


class Design(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A preset on certain data, at a certain length: what a sweep is made of."""

    preset: str
    title: str
    scale: float
    """Of the paper's length, as asked."""
    full_iterations: int
    """Optimizer steps of the paper's training."""
    iterations: int
    """Optimizer steps of this one: `scale` times as many, but no less than an epoch takes."""
    base: dict[str, JsonValue]
    """What all trainings share, as the body of a training has it."""
    points: tuple[Point, ...]
    """A training each: the sweep's space."""
    afterwards: Afterwards | None


def _nets(kind: str, *depths: int, **fields: JsonValue) -> tuple[Point, ...]:
    """`kind` is resnet or plain."""
    return tuple({"arch": f"{kind}{depth}", **fields, "seed": 0} for depth in depths)


def _baselines(*names: str) -> tuple[Point, ...]:
    return tuple({"arch": name, "seed": 0} for name in names)


def _seeds(point: Point, count: int) -> tuple[Point, ...]:
    return tuple(point | {"seed": seed} for seed in range(count))


_SMALL_PAIR = _nets("plain", 18, 34) + _nets("resnet", 18, 34, shortcut="A")
_PROJECTIONS = _nets("resnet", 34, shortcut="B") + _nets("resnet", 34, shortcut="C")
_DEEP = _nets("resnet", 50, 101, 152, shortcut="B")

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="paper-table-2",
            title="Plain and residual networks of 18 and 34 layers",
            table=2,
            family=Family.IMAGENET,
            points=_SMALL_PAIR,
            protocol="10-crop",
        ),
        Preset(
            name="paper-table-3",
            title="Shortcut options and depth, 10-crop",
            table=3,
            family=Family.IMAGENET,
            points=(
                *_baselines("vgg16", "googlenet", "prelunet"),
                *_nets("plain", 34),
                *_nets("resnet", 34, shortcut="A"),
                *_PROJECTIONS,
                *_DEEP,
            ),
            protocol="10-crop",
        ),
        Preset(
            name="paper-table-4",
            title="Single networks, multi-scale and fully convolutional",
            table=4,
            family=Family.IMAGENET,
            points=(*_baselines("prelunet"), *_PROJECTIONS, *_DEEP),
            protocol="multi-scale",
        ),
        Preset(
            name="paper-table-5",
            title="An ensemble of six networks of different depth",
            table=5,
            family=Family.IMAGENET,
            # The paper names only two of its six: both have 152 layers.
            points=(
                *_nets("resnet", 18, 34, 50, 101, shortcut="B"),
                *_seeds({"arch": "resnet152", "shortcut": "B"}, 2),
            ),
            afterwards=Afterwards(kind="ensemble", protocol="multi-scale"),
        ),
        Preset(
            name="paper-table-6",
            title="Baselines and residual networks for small images",
            table=6,
            family=Family.CIFAR,
            points=(
                *_baselines("maxout", "nin", "dsn", "fitnet19", "highway19", "highway32"),
                *_nets("resnet", 20, 32, 44, 56, shortcut="A"),
                *_seeds({"arch": "resnet110", "shortcut": "A"}, 5),
                *_nets("resnet", 1202, shortcut="A"),
            ),
        ),
        Preset(
            name="paper-figure-1",
            title="Plain networks of 20 and 56 layers",
            figure=1,
            family=Family.CIFAR,
            points=_nets("plain", 20, 56),
        ),
        Preset(
            name="paper-figure-4",
            title="Training of plain and residual networks of 18 and 34 layers",
            figure=4,
            family=Family.IMAGENET,
            points=_SMALL_PAIR,
        ),
        Preset(
            name="paper-figure-6",
            title="Training of plain and residual networks on small images",
            figure=6,
            family=Family.CIFAR,
            # The paper leaves plain-110 out: its error stays above 60 %.
            points=(
                *_nets("plain", 20, 32, 44, 56),
                *_nets("resnet", 20, 32, 44, 56, 110, 1202, shortcut="A"),
            ),
        ),
        Preset(
            name="paper-figure-7",
            title="Layer responses of plain and residual networks",
            figure=7,
            family=Family.CIFAR,
            points=(*_nets("plain", 20, 56), *_nets("resnet", 20, 56, 110, shortcut="A")),
            afterwards=Afterwards(kind="analysis", protocol="center"),
        ),
    )
}
"""By the name that a sweep asks for."""


def find(name: str) -> Preset:
    """Raises Unresolvable, which lists the presets that there are."""
    if name not in PRESETS:
        raise Unresolvable("preset", f"there is no preset '{name}'; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def expand(name: str, *, dataset: DatasetInfo, scale: float = 1.0) -> Design:
    """The preset's trainings on `dataset`, which may be other data than the paper's, in `scale` of its
    length, in (0, 1]. Only the number of steps gets smaller: milestones are fractions of it. Raises
    Unresolvable. Whether each network suits the data is for `resolve` to say."""
    preset = find(name)
    if not 0 < scale <= 1:
        raise Unresolvable("scale", f"scale is {scale:g}; give a fraction above 0, 1 at most")
    full = preset.length.iterations or 1
    epoch = max(1, dataset.train_images // preset.length.batch_size)
    iterations = min(full, max(epoch, round(scale * full)))
    base: dict[str, JsonValue] = {
        "dataset": dataset.name,
        "recipe": preset.recipe,
        "batch_size": preset.length.batch_size,
        "iterations": iterations,
        "protocol": preset.protocol,
    }
    if preset.family is Family.CIFAR and dataset.input_size != preset.family.input_size:
        base["input_size"] = preset.family.input_size  # its baselines take no other
    return Design(
        preset=name,
        title=preset.title,
        scale=scale,
        full_iterations=full,
        iterations=iterations,
        base=base,
        points=preset.points,
        afterwards=preset.afterwards,
    )
