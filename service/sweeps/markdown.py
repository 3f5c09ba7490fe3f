"""The report of a sweep as Markdown: sentences, a table by the sweep's axes, the degradation check, and what
did not come to its end."""

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from service.sweeps.report import Ensemble, Incomplete, Report
from service.sweeps.rows import Row
from service.sweeps.spread import Spread

NONE = "–"
"""As the paper's tables leave a cell open."""


def of(report: Report) -> str:
    """The whole report; pictures not included."""
    parts = [
        f"# {_plain(report.title)}",
        _of_the_paper(report),
        "\n".join(f"- {_plain(sentence)}" for sentence in report.sentences),
        _table(_heads(report), [_cells(report, row) for row in report.rows]),
        _footnote(report.rows),
        _ensemble(report.ensemble) if report.ensemble else "",
        _degradation(report),
        _incomplete(report.incomplete) if report.incomplete else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _of_the_paper(report: Report) -> str:
    if report.reproduces is None:
        return ""
    part = f" at {report.scale:.3g} of its length" if report.scale not in (None, 1) else ""
    return f"The design of the paper's {report.reproduces}{part}."


def _heads(report: Report) -> list[str]:
    return [
        "network",
        *(["shortcut"] if _has_shortcuts(report.rows) else []),
        *(field.split(".")[-1] for field in report.fields),
        "seeds",
        "epochs",
        "error (%)",
        "lowest error (%)",
        "top-5 error (%)",
        "loss",
        "training error (%)",
        "parameters",
        "multiply-adds",
        "minutes",
        "paper (%)",
        "difference",
    ]


def _has_shortcuts(rows: Sequence[Row]) -> bool:
    return any(row.shortcut for row in rows)


def _cells(report: Report, row: Row) -> list[str]:
    means = row.means
    return [
        row.network if row.ending == "finished" else f"{row.network} ({row.ending})",
        *([row.shortcut or NONE] if _has_shortcuts(report.rows) else []),
        *(_value(row.varied.get(field)) for field in report.fields),
        str(means.seeds),
        str(row.epochs) if means.epoch == row.epochs else f"{means.epoch} of {row.epochs}",
        *(_spread(each) for each in (means.final_error, means.best_error, means.top5_error)),
        _spread(means.loss, 3),
        _spread(means.training_error),
        in_short(row.parameters),
        in_short(row.multiply_adds),
        f"{means.minutes.mean:.1f}" if means.minutes else NONE,
        _both(row),
        _difference(row),
    ]


def _both(row: Row) -> str:
    """The paper's errors, top-1 / top-5 as its Table 3 has them."""
    figure = row.beside.figure
    if figure is None:
        return NONE
    top1 = NONE if figure.top1_error is None else f"{figure.top1_error:.2f}"
    return top1 if figure.top5_error is None else f"{top1} / {figure.top5_error:.2f}"


def _difference(row: Row) -> str:
    top1, top5 = row.beside.difference, row.beside.top5_difference
    if top5 is None:
        return NONE if top1 is None else f"{top1:+.2f}"
    return f"{NONE if top1 is None else f'{top1:+.2f}'} / {top5:+.2f}"


def _footnote(rows: Sequence[Row]) -> str:
    said = ["Errors are top-1 on the validation images"]
    if protocols := sorted({row.means.protocol for row in rows} - {"center"}):
        said[0] += f", at the end by {' or '.join(protocols)}, the lowest by the centre view"
    if any(row.means.seeds > 1 for row in rows):
        said.append("Mean ± sample standard deviation over the seeds")
    said.append("Training errors are means over the last epoch's steps, on augmented images")
    said.append("Differences are ours less the paper's, in points")
    return ". ".join(said) + "."


def _ensemble(found: Ensemble) -> str:
    ours, figure = found.evaluation, found.figure
    return "## Ensemble\n\n" + _table(
        ["models", "protocol", "images", "error (%)", "top-5 error (%)", "paper, top-5 (%)"],
        [
            [
                str(len(ours.models)),
                ours.protocol,
                f"{ours.images:,}",
                f"{ours.top1_error:.2f}",
                f"{ours.top5_error:.2f}",
                f"{figure.top5_error:.2f}",
            ]
        ],
    )


def _degradation(report: Report) -> str:
    if not report.pairs:
        return ""
    lines = "\n".join(f"- {_plain(pair.sentence)}" for pair in report.pairs)
    return f"## Degradation\n\n{lines}"


def _incomplete(trials: Iterable[Incomplete]) -> str:
    return "## Trials that did not come to their end\n\n" + _table(
        ["trial", "point", "state", "epochs", "why"],
        [
            [
                str(trial.trial),
                trial.what,
                trial.ending,
                NONE if trial.epochs is None else f"{trial.epoch} of {trial.epochs}",
                trial.why or NONE,
            ]
            for trial in trials
        ],
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """On one line, and no markup: names are the client's."""
    one_line = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#" else sign for sign in one_line)


def _spread(found: Spread | None, digits: int = 2) -> str:
    return found.said(digits) if found else NONE


def _value(value: JsonValue) -> str:
    if value is None:
        return NONE
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_short(count: float) -> str:
    """As the paper writes large numbers: 0.27M, 1.8G."""
    if count >= 1e9:
        return f"{count / 1e9:.2f}G"
    if count >= 1e5:
        return f"{count / 1e6:.2f}M" if count < 1e7 else f"{count / 1e6:.1f}M"
    return f"{count:,.0f}"
