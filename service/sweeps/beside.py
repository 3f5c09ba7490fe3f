"""A training beside the paper: which of its figures belongs to it, and what is not as in the paper. Used by
the rows of a sweep's report."""

from pydantic import BaseModel

from service.catalogue.paper import PAPER, PaperError, PaperFigures
from service.catalogue.paper import Protocol as PaperProtocol
from trainer.contract import recipes
from trainer.contract.baselines import Baseline
from trainer.contract.evaluation import Protocol
from trainer.contract.family import Family
from trainer.contract.presets import PAPER_DATA, PAPER_RECIPES
from trainer.contract.recipes import RECIPES, RecipeFields
from trainer.contract.spec import ResolvedSpec

DATA_IN_WORDS = {Family.CIFAR: "CIFAR-10", Family.IMAGENET: "ImageNet"}

HARMLESS = {"name", "precision", "channels_last", "flip"}
"""Fields of a recipe that say how it is computed, or that follow from the data."""


class Apart(BaseModel, frozen=True, use_attribute_docstrings=True):
    """In what a training is not the paper's."""

    data: str | None
    """The data that it is on instead, in words; None: the paper's."""
    full_iterations: int | None
    """Of the paper's training, where this one has fewer; None: it is not shortened."""
    fields: tuple[str, ...]
    """Other fields that differ; a recipe of another name stands for all of its own."""

    @property
    def comparable(self) -> bool:
        """Whether a difference to the paper's figure means anything."""
        return self.data is None and self.full_iterations is None


class Beside(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A row and the paper."""

    figure: PaperError | None
    """The paper's errors of this network, shortcut and protocol, whatever the data."""
    difference: float | None
    """The final error less the paper's, in points of top-1 error; None where nothing can be compared."""
    top5_difference: float | None
    """The same of the top-5 error."""
    apart: Apart


def of(spec: ResolvedSpec, table: int | None, *, top1: float | None, top5: float | None) -> Beside:
    """`top1` and `top5`: the final errors in percent; None: there are none that could be compared."""
    found, differs = figure(spec, table), apart(spec)
    comparable = found if differs.comparable else None
    return Beside(
        figure=found,
        difference=_less(top1, comparable.top1_error if comparable else None),
        top5_difference=_less(top5, comparable.top5_error if comparable else None),
        apart=differs,
    )


def apart(spec: ResolvedSpec) -> Apart:
    length = RECIPES[PAPER_RECIPES[spec.family]].length
    full = length.iterations or 1
    return Apart(
        data=_other_data(spec),
        full_iterations=full if spec.iterations < full else None,
        fields=(
            *_other_recipe(spec),
            *(["batch_size"] if spec.batch_size != length.batch_size else []),
            *(["iterations"] if spec.iterations > full else []),
            *_other_fields(spec),
        ),
    )


def figure(spec: ResolvedSpec, table: int | None) -> PaperError | None:
    """The paper's errors of that network, shortcut and protocol, whatever the data; of `table` if it is
    there, else of the table that has most of them."""
    wanted = _in_the_paper(spec.family, spec.protocol)
    found = [
        error
        for error in PAPER.get(spec.arch, PaperFigures()).errors
        if error.protocol == wanted and error.shortcut == spec.shortcut
    ]

    def rank(error: PaperError) -> tuple[bool, bool]:
        return error.table == table, error.top5_error is not None

    return max(found, key=rank, default=None)


def _less(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _in_the_paper(family: Family, protocol: Protocol) -> PaperProtocol | None:
    """The paper's tables have no single views of ImageNet, and nothing else of CIFAR-10."""
    if family is Family.CIFAR:
        return "single view" if protocol == "center" else None
    return None if protocol == "center" else protocol


def _other_data(spec: ResolvedSpec) -> str | None:
    if spec.dataset != PAPER_DATA[spec.family]:
        return spec.dataset
    if spec.holdout:
        return f"{spec.holdout:,} training images of {spec.dataset} that were kept back"
    return None


def _other_recipe(spec: ResolvedSpec) -> list[str]:
    name = PAPER_RECIPES[spec.family]
    if spec.recipe.name != name:
        return [f"recipe {spec.recipe.name}"]
    network = spec.network
    normal = not isinstance(network, Baseline) or network.normalised
    theirs = recipes.complete(
        RecipeFields(name=name), flip=True, depth=spec.depth, normalised=normal
    ).model_dump(exclude=HARMLESS)
    ours = spec.recipe.model_dump(exclude=HARMLESS)
    return [field for field, value in ours.items() if value != theirs[field]]


def _other_fields(spec: ResolvedSpec) -> list[str]:
    differing = {
        "stride": spec.stride != "v1",
        "start_from": spec.start_from is not None,
        "early_stopping": spec.early_stopping is not None,
        "input_size": spec.input_size != spec.family.input_size,
        "stem": spec.stem != "paper",
    }
    return [field for field, differs in differing.items() if differs]
