"""The report of a sweep: a row for each training, over its seeds, beside the paper's figures, and what may be
said of it. Pure; Markdown and pictures are made from it.
"""

from pydantic import BaseModel

from service.catalogue.paper import PAPER, PaperError
from service.sweeps import depths, measured, remarks, rows
from service.sweeps.measured import Ending, MeasuredTrial, ReportInput
from service.sweeps.rows import Row
from trainer.contract import presets
from trainer.contract.evaluation import Evaluation
from trainer.contract.space import Path, title
from trainer.contract.sweep import Metric


class Incomplete(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A trial that did not come to its end, or has not yet."""

    trial: int
    what: str
    """Its point in words."""
    ending: Ending
    epoch: int
    """Its last validation; 0: there was none."""
    epochs: int | None
    """That it was to have; None: it has no training."""
    why: str | None
    """In a sentence."""


class Ensemble(BaseModel, frozen=True, use_attribute_docstrings=True):
    """All trained networks together."""

    evaluation: Evaluation
    figure: PaperError
    """The paper's, of Table 5."""


class Report(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a sweep came to, as far as it has come."""

    title: str
    reproduces: str | None
    """The table or figure of the paper whose design it has."""
    scale: float | None
    """Of the paper's length, where a part of it was asked for."""
    metric: Metric
    """By which trials are compared: its lowest value on the validation images."""
    fields: tuple[Path, ...]
    """Of the rows' `varied`, in the order of the sweep's."""
    rows: tuple[Row, ...]
    """Baselines, plain and residual networks, each by depth."""
    best: int | None
    """The trial that is best by `metric`; None before any is validated."""
    incomplete: tuple[Incomplete, ...]
    """By trial."""
    ensemble: Ensemble | None
    pairs: tuple[depths.Pair, ...]
    """The degradation check."""
    sentences: tuple[str, ...]
    """What may be said of all this, reservations first."""


def write(given: ReportInput) -> Report:
    """The report of `given`."""
    preset = presets.find(given.preset) if given.preset else None
    made = rows.of(given, table=preset.table if preset else None)
    pairs = depths.pairs(made)
    best = measured.best(given)
    return Report(
        title=given.title,
        reproduces=preset.reproduces if preset else None,
        scale=given.scale,
        metric=given.metric,
        fields=tuple(field for field in given.varied if field not in measured.SAID),
        rows=made,
        best=best.number if best else None,
        incomplete=tuple(_incomplete(t) for t in given.trials if t.ending != "finished"),
        ensemble=_ensemble(given.ensemble) if given.ensemble else None,
        pairs=pairs,
        sentences=(
            *remarks.reservations(made),
            *remarks.best(given, made),
            *depths.summary(pairs),
            *remarks.notes(made, given.ensemble),
            *remarks.unfinished([trial.ending for trial in given.trials]),
        ),
    )


def _incomplete(trial: MeasuredTrial) -> Incomplete:
    return Incomplete(
        trial=trial.number,
        what=title(trial.point),
        ending=trial.ending,
        epoch=trial.epoch,
        epochs=trial.spec.epochs if trial.spec else None,
        why=trial.reason.message if trial.reason else None,
    )


def _ensemble(evaluation: Evaluation) -> Ensemble:
    # The table has it once, under its deepest network.
    figure = next(error for error in PAPER["resnet152"].errors if error.protocol == "ensemble")
    return Ensemble(evaluation=evaluation, figure=figure)
