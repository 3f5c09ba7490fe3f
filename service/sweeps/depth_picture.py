"""Error against depth: a line for each kind and shortcut of a sweep, beside the paper's figures."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import log
from typing import TYPE_CHECKING, Any

from service.sweeps import look
from service.sweeps.report import Report
from service.sweeps.rows import Row
from service.sweeps.spread import Spread

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which colour-blind readers tell apart; of more lines than these look.ramp has."""
MARKERS = "osD^vPX*<>"
MARGIN = 1.14
"""Factor by which the axis goes beyond the depths on either side."""

Of = Callable[[Row], Spread | None]


@dataclass(frozen=True)
class Series:
    """Rows that differ in depth only, by depth."""

    name: str
    rows: tuple[Row, ...]
    colour: Any
    marker: str
    aside: float
    """Factor on its depths: error bars at one place would hide each other."""


def draw(report: Report) -> "Figure":
    """Rows whose trials came to their end; the others are left out."""
    rows = [row for row in report.rows if row.ending == "finished" and row.means.final_error]
    if not rows:
        return look.nothing(report.title, "No trial has come to its end yet.")
    series = _series(rows)
    entries = [*_entries(series), *_key(rows)]
    lines = look.legend_lines([str(entry.get_label()) for entry in entries], look.WIDTHS[2])
    figure = look.figure(2, report.title, lines)
    ends: list[tuple[str, Of]] = [
        ("training, last epoch", lambda row: row.means.training_error),
        (f"validation, {_protocols(rows)}", lambda row: row.means.final_error),
    ]
    for place, (name, of) in enumerate(ends, start=1):
        axes = figure.add_subplot(1, 2, place)
        for each in series:
            _line(axes, each, of)
        axes.set(title=name, xlabel="depth (weighted layers)", ylabel="top-1 error (%)")
        look.plainly(axes)
        _scale(axes, rows)
    _paper(figure.axes[1], series)
    look.key(figure, entries)
    return figure


def _series(rows: Sequence[Row]) -> list[Series]:
    step = 0.009 * log(_span(sorted({row.depth for row in rows})))
    baselines = [row for row in rows if row.kind == "baseline"]
    return _points(baselines, step) + _lines([r for r in rows if r.kind != "baseline"], step)


def _points(rows: Sequence[Row], step: float) -> list[Series]:
    """Baselines are a point each: their depths are of different designs."""
    seen: Counter[int] = Counter()
    made = []
    for row, marker in zip(rows, cycle(MARKERS[::-1])):
        name = f"{row.network} {row.variant}".rstrip()
        made.append(Series(name, (row,), look.GREY, marker, 1 + step * seen[row.depth]))
        seen[row.depth] += 1
    return made


def _lines(rows: Sequence[Row], step: float) -> list[Series]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{look.KINDS[row.kind]} {row.variant}".rstrip(), []).append(row)
    # Residual networks have the same colours whether there are plain ones or not.
    palette = COLOURS if any(row.kind == "plain" for row in rows) else COLOURS[1:]
    colours = palette if len(found) <= len(palette) else look.ramp(len(found))
    return [
        Series(name, tuple(mine), colour, marker, 1 + step * (number - (len(found) - 1) / 2))
        for number, ((name, mine), colour, marker) in enumerate(
            zip(found.items(), colours, cycle(MARKERS))
        )
    ]


def _line(axes: "Axes", series: Series, of: Of) -> None:
    points = [(row.depth * series.aside, found) for row in series.rows if (found := of(row))]
    axes.errorbar(
        [depth for depth, _ in points],
        [found.mean for _, found in points],
        yerr=[found.deviation or 0.0 for _, found in points],
        color=series.colour,
        marker=series.marker,
        markersize=6,
        linewidth=1.6,
        capsize=3,
    )


def _paper(axes: "Axes", series: Sequence[Series]) -> None:
    """Hollow; each figure once, though several rows may stand beside it."""
    drawn: set[tuple[str, str | None]] = set()
    for each in series:
        for row in each.rows:
            figure = row.beside.figure
            if figure and figure.top1_error and (row.network, row.shortcut) not in drawn:
                drawn.add((row.network, row.shortcut))
                axes.plot(
                    [row.depth * each.aside],
                    [figure.top1_error],
                    color=each.colour,
                    marker=each.marker,
                    markersize=9,
                    markerfacecolor="none",
                    linestyle="",
                )


def _span(depths: Sequence[int]) -> float:
    """Of the axis: the greatest depth over the least, with a margin."""
    return depths[-1] / depths[0] * MARGIN**2


def _scale(axes: "Axes", rows: Sequence[Row]) -> None:
    """A number at each depth that leaves room for the others; those of lines go first."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    depths = sorted({row.depth for row in rows})
    axes.set_xscale("log")
    axes.set_xlim(depths[0] / MARGIN, depths[-1] * MARGIN)
    marks: list[int] = []
    for row in sorted(rows, key=lambda row: (row.kind == "baseline", row.depth)):
        if all(abs(log(row.depth / mark)) > 0.04 * log(_span(depths)) for mark in marks):
            marks.append(row.depth)
    axes.xaxis.set_major_locator(FixedLocator(sorted(marks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())


def _entries(series: Sequence[Series]) -> "list[Artist]":
    from matplotlib.lines import Line2D

    return [
        Line2D(
            [],
            [],
            color=each.colour,
            marker=each.marker,
            linestyle="-" if len(each.rows) > 1 else "",
            label=each.name,
        )
        for each in series
    ]


def _key(rows: Sequence[Row]) -> "list[Artist]":
    from matplotlib.lines import Line2D

    entries: list[Artist] = []
    if figures := [row for row in rows if row.beside.figure and row.beside.figure.top1_error]:
        same = all(row.beside.apart.comparable for row in figures)
        name = "the paper's" if same else "the paper's, of other data or length"
        hollow = Line2D([], [], color=look.GREY, marker="o", markersize=9, linestyle="", label=name)
        hollow.set_markerfacecolor("none")
        entries.append(hollow)
    if any(row.means.seeds > 1 for row in rows):
        bar = Line2D([], [], color=look.GREY, marker="|", markersize=12, linestyle="")
        bar.set_label("± standard deviation over seeds")
        entries.append(bar)
    return entries


def _protocols(rows: Sequence[Row]) -> str:
    found = dict.fromkeys(row.means.protocol for row in rows)
    return " or ".join("centre view" if each == "center" else each for each in found)
