"""Layer responses of a sweep's networks as the paper's Fig. 7 shows them: the standard deviation of what each
3×3 layer gives, in the layers' order and by size."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from service.sweeps import look, measured, rows
from service.sweeps.measured import Kind, MeasuredTrial, ReportInput

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EMPTY = "No network's layers are measured (yet): a sweep of paper-figure-7 ends with that."
PLAIN = look.DASHES[1]
"""Plain networks are dashed."""


@dataclass(frozen=True)
class Network:
    """One training, over its seeds."""

    name: str
    kind: Kind
    depth: int
    responses: tuple[float, ...]
    """Standard deviation by layer, in forward order."""


def draw(given: ReportInput) -> "Figure":
    """A line for each network whose layers are measured."""
    found = _networks(given)
    if not found:
        return look.nothing(given.title, EMPTY)
    lines = look.legend_lines([network.name for network in found], look.WIDTHS[2])
    figure = look.figure(2, given.title, lines)
    colours = _colours(found)
    drawings: list[Artist] = []
    for place, title in enumerate(("in the layers' order", "by size"), start=1):
        axes = figure.add_subplot(1, 2, place)
        by_size = place == 2
        drawings = [
            _line(axes, network, colour, by_size=by_size)
            for network, colour in zip(found, colours, strict=True)
        ]
        axes.set(title=title, ylim=(0, None), ylabel="standard deviation of the response")
        axes.set_xlabel("rank of the 3×3 layer" if by_size else "3×3 layer")
        look.plainly(axes)
    look.key(figure, drawings)
    return figure


def _networks(given: ReportInput) -> list[Network]:
    """By kind and depth."""
    fields = rows.told(given)
    groups = [
        (group, seen)
        for group in measured.joined(given)
        if (seen := [trial for trial in group if trial.responses])
    ]
    made = [_network(seen, rows.name(group, fields)) for group, seen in groups]
    return sorted(made, key=lambda network: (network.kind, network.depth, network.name))


def _network(trials: Sequence[MeasuredTrial], name: str) -> Network:
    spec = measured.training(trials[0])
    layers = zip(*(trial.responses for trial in trials), strict=True)
    return Network(name, measured.kind_of(spec), spec.depth, tuple(map(fmean, layers)))


def _colours(found: Sequence[Network]) -> list[Any]:
    """One for each depth, so that plain and residual stand beside each other; where that tells no two lines
    apart, one for each."""
    if len({(network.kind, network.depth) for network in found}) < len(found):
        return look.ramp(len(found))
    depths = sorted({network.depth for network in found})
    ramp = look.ramp(len(depths))
    return [ramp[depths.index(network.depth)] for network in found]


def _line(axes: "Axes", network: Network, colour: Any, *, by_size: bool) -> "Artist":
    shown = sorted(network.responses, reverse=True) if by_size else network.responses
    (line,) = axes.plot(
        range(1, len(shown) + 1),
        shown,
        color=colour,
        linestyle=PLAIN if network.kind == "plain" else "solid",
        linewidth=1.5,
        label=network.name,
    )
    return line
