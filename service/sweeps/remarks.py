"""What a sweep's report says in sentences of its rows: reservations, the best, and notes to the figures."""

from collections import Counter
from collections.abc import Iterable, Sequence

from service.sweeps import measured
from service.sweeps.beside import DATA_IN_WORDS
from service.sweeps.measured import Ending, ReportInput
from service.sweeps.rows import Row
from trainer.contract.evaluation import Evaluation
from trainer.contract.family import Family
from trainer.contract.sweep import Metric

METRICS: dict[Metric, str] = {
    "top1_error": "top-1 error",
    "top5_error": "top-5 error",
    "loss": "loss",
}
"""In words."""


def reservations(rows: Sequence[Row]) -> list[str]:
    """Why the rows say nothing about the paper, and what else is not as it has it."""
    said = []
    for family in dict.fromkeys(row.family for row in rows):
        said += _of_family([row for row in rows if row.family is family], family)
    return said


def _of_family(rows: Sequence[Row], family: Family) -> list[str]:
    said = []
    if other := [row for row in rows if not row.beside.apart.comparable]:
        reasons = " and ".join(_reasons(other, family))
        subject = "These trainings are" if len(other) == len(rows) else "Some trainings are"
        said.append(f"{subject} {reasons}: no conclusion about the paper can be drawn from them.")
    if fields := dict.fromkeys(field for row in rows for field in row.beside.apart.fields):
        said.append(f"Not as in the paper: {', '.join(fields)}.")
    return said


def _reasons(rows: Sequence[Row], family: Family) -> list[str]:
    reasons = []
    if short := [row for row in rows if row.beside.apart.full_iterations]:
        counts = sorted({row.iterations for row in short})
        lengths = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
        full = short[0].beside.apart.full_iterations
        reasons.append(f"shortened to {lengths} of the paper's {full:,} iterations")
    if data := dict.fromkeys(row.beside.apart.data for row in rows if row.beside.apart.data):
        reasons.append(f"on {', '.join(data)} instead of the paper's {DATA_IN_WORDS[family]}")
    return reasons


def best(given: ReportInput, rows: Sequence[Row]) -> list[str]:
    """Which trial has the lowest value of the sweep's metric; nothing before any is validated."""
    found = measured.best(given)
    value = found.lowest(given.metric) if found else None
    if found is None or value is None:
        return []
    row = next(row for row in rows if found.number in row.trials)
    unit = "" if given.metric == "loss" else " %"
    seed = measured.training(found).seed
    so_far = "" if found.ending == "finished" else " so far"
    who = f"trial {found.number}, {row.name}, seed {seed}"
    return [f"The lowest {METRICS[given.metric]}{so_far} is {value:.4g}{unit}: {who}."]


def notes(rows: Sequence[Row], ensemble: Evaluation | None) -> list[str]:
    """What one has to know of the paper's figures."""
    said = []
    for row in rows:
        figure = row.beside.figure
        if figure and figure.note:
            said.append(
                f"The paper's error of {row.name}, {figure.top1_error} %, is {figure.note}."
            )
    if any(row.kind == "baseline" and row.beside.figure for row in rows):
        said.append(
            "The paper cites the baselines' errors; their authors had recipes of their own."
        )
    if ensemble:
        said.append(
            "The paper's ensemble was measured on the test images of ImageNet, this one on the validation "
            f"images of {ensemble.dataset}."
        )
    return said


def unfinished(endings: Sequence[Ending]) -> list[str]:
    """How many trials did not come to their end, or have not yet. `endings`: of all trials."""
    others = Counter(_without_finished(endings))
    if not others:
        return []
    kinds = ", ".join(f"{count} {ending}" for ending, count in others.items())
    return [
        f"{others.total()} of {len(endings)} trials did not come to their end ({kinds}); their rows show how "
        "far they came."
    ]


def _without_finished(endings: Iterable[Ending]) -> Iterable[Ending]:
    return (ending for ending in endings if ending != "finished")
