"""Learning curves of a sweep as the paper's Fig. 1, 4 and 6 show them: training error thin, validation error
bold, one colour a network, plain left and residual right."""

from collections.abc import Sequence
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from service.sweeps import curves, look
from service.sweeps.curves import Curve, Place
from service.sweeps.measured import ReportInput
from service.sweeps.remarks import METRICS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Against = Literal["epoch", "iteration"]

THIN, BOLD = 0.8, 2.1
"""Points, of lines."""
MANY = 60
"""Epochs from which on lines are thinner by a quarter: validation errors jump."""


class Style(NamedTuple):
    colour: Any
    dash: Any


def draw(given: ReportInput, against: Against = "epoch") -> "Figure":
    """At most `curves.MOST` networks in all, the best of them."""
    found, total = curves.best(given)
    if not found:
        return look.nothing(given.title, "No trial has been validated yet.")
    drawn = sorted(found, key=lambda curve: (curve.depth, curve.variant, curve.name))
    panels = {kind: mine for kind in look.KINDS if (mine := [c for c in drawn if c.kind == kind])}
    names = {kind: [curve.name for curve in mine] for kind, mine in panels.items()}
    title = given.title
    if total > len(drawn):
        title += f": the best {len(drawn)} of {total} by {METRICS[given.metric]}"
    width = look.WIDTHS[len(panels)] / len(panels)
    lines = max(look.legend_lines(each, width) for each in names.values())
    figure = look.figure(len(panels), title, lines)
    top, depths = _top(drawn), sorted({c.depth for c in drawn if c.kind != "baseline"})
    first: Axes | None = None
    for place, (kind, mine) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), place, sharex=first, sharey=first)
        first = first or axes
        looks = styles(mine, depths)
        drawings = [_line(axes, c, style, against) for c, style in zip(mine, looks, strict=True)]
        axes.set(title=look.KINDS[kind], xlabel=against, ylim=(0, top))
        look.plainly(axes)
        look.legend(axes, drawings, names[kind], width=width)
    if first:
        _scales(first, drawn, against)
    look.key(figure, _key(drawn))
    return figure


def _line(axes: "Axes", curve: Curve, style: Style, against: Against) -> "Artist":
    """Draws both errors of a network; the bold one stands for it in the legend."""
    finer = 0.75 if len(curve.validation) > MANY else 1.0
    for places, width, shade in ((curve.training, THIN, 0.08), (curve.validation, BOLD, 0.14)):
        across = [_across(place, against) for place in places]
        up = [place.error.mean for place in places]
        marker = "o" if len(places) < 3 else None
        (line,) = axes.plot(
            across,
            up,
            color=style.colour,
            linestyle=style.dash,
            linewidth=width * finer,
            marker=marker,
            markersize=2 + width,
        )
        apart = [place.error.deviation or 0.0 for place in places]
        if any(apart):
            low = [mean - each for mean, each in zip(up, apart, strict=True)]
            high = [mean + each for mean, each in zip(up, apart, strict=True)]
            axes.fill_between(across, low, high, color=style.colour, alpha=shade, linewidth=0)
    if not curve.finished:
        end = curve.validation[-1]
        axes.plot(
            [_across(end, against)],
            [end.error.mean],
            color=style.colour,
            marker="X",
            markersize=8,
            markeredgecolor="white",
        )
    return line


def _across(place: Place, against: Against) -> int:
    return place.epoch if against == "epoch" else place.iteration


def styles(panel: Sequence[Curve], depths: Sequence[int]) -> list[Style]:
    """A colour for each depth, the same for plain and residual, and a dash for each variant; where depth does
    not tell the lines apart, a colour for each."""
    variants = list(dict.fromkeys(curve.variant for curve in panel))
    several = len({curve.depth for curve in panel}) > 1
    distinct = len({(curve.depth, curve.variant) for curve in panel}) == len(panel)
    if (
        panel[0].kind != "baseline"
        and distinct
        and len(variants) <= len(look.DASHES)
        and (several or len(panel) == 1)
    ):
        colours = dict(zip(depths, look.ramp(len(depths)), strict=True))
        return [Style(colours[c.depth], look.DASHES[variants.index(c.variant)]) for c in panel]
    return [
        Style(colour, look.DASHES[i % 2] if len(panel) > 6 else look.DASHES[0])
        for i, colour in enumerate(look.ramp(len(panel)))
    ]


def _top(drawn: Sequence[Curve]) -> float:
    """Percent, up to which errors are shown: a curve is below it for most of its run, and at its end."""
    most = 1.0
    for places in (places for c in drawn for places in (c.training, c.validation) if places):
        errors = [place.error.mean for place in places]
        most = max(most, errors[-1])
        if len(errors) > 3:
            most = max(most, quantiles(errors, n=4)[2])
    return min(100.0, 1.2 * most)


def _scales(axes: "Axes", drawn: Sequence[Curve], against: Against) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    last = max(
        _across(places[-1], against)
        for c in drawn
        for places in (c.training, c.validation)
        if places
    )
    axes.set_xlim(0, max(last * 1.02, last + 0.2))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if against == "iteration":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel("top-1 error (%)")


def _key(drawn: Sequence[Curve]) -> "list[Artist]":
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Artist] = [
        Line2D([], [], color=look.GREY, linewidth=THIN, label="training"),
        Line2D([], [], color=look.GREY, linewidth=BOLD, label="validation"),
    ]
    if any(place.error.deviation for curve in drawn for place in curve.validation):
        entries.append(Patch(color=look.GREY, alpha=0.25, label="± standard deviation over seeds"))
    if not all(curve.finished for curve in drawn):
        end = Line2D(
            [], [], color=look.GREY, marker="X", linestyle="", label="not at its last epoch"
        )
        entries.append(end)
    return entries
