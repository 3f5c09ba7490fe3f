"""What the pictures of sweeps share: colours, labels, legends and the PNG. matplotlib is loaded when one is
drawn: the service has to start without it."""

from collections.abc import Sequence
from io import BytesIO
from math import ceil
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from service.sweeps.measured import Kind

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
HEIGHT = 4.0
"""Inches, of a panel without its legend."""
WIDTHS = {1: 8.4, 2: 11.2, 3: 15.0}
"""Inches, of a picture with so many panels."""
LABEL = 56
"""Characters of a legend's line."""
CHARACTER = 0.064
"""Inches, of a legend's font."""
LINE = 0.19
"""Inches, of a legend's font."""

KINDS: dict[Kind, str] = {"baseline": "baselines", "plain": "plain", "residual": "residual"}
"""Titles of panels, in their order."""

DASHES = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
"""Of lines of one colour."""

GREY = "#555555"


def ramp(count: int) -> list[Any]:
    """Colours in an order that also colour-blind readers see: dark to light, the palest left out."""
    from matplotlib import colormaps

    return [colormaps["plasma"](0.04 + 0.78 * i / max(1, count - 1)) for i in range(count)]


def figure(panels: int, title: str, legend_lines: int) -> "Figure":
    """Empty, with room for `legend_lines` below its panels."""
    from matplotlib.figure import Figure

    size = (WIDTHS[panels], HEIGHT + 0.9 + LINE * legend_lines)
    made = Figure(figsize=size, dpi=DPI, layout="constrained")
    made.suptitle(_lines(title, int(WIDTHS[panels] / 0.095), most=2), fontsize=11.5)
    return made


def label(name: str) -> str:
    """On as many lines as it takes, three at most; a field and its value stay together."""
    glued = ", ".join(part.replace(" ", "\u00a0") for part in name.split(", "))
    return _lines(glued, LABEL, most=3)


def _lines(text: str, width: int, *, most: int) -> str:
    lines = wrap(text, width)
    cut = [*lines[: most - 1], f"{lines[most - 1][: width - 1]}…"] if len(lines) > most else lines
    # Names are the client's: matplotlib would read a formula between two dollars.
    return "\n".join(cut).replace("$", "\\$")


def legend_lines(names: Sequence[str], width: float) -> int:
    """Of a legend with these entries, `width` inches wide."""
    tallest = max((label(name).count("\n") + 1 for name in names), default=0)
    return ceil(len(names) / _columns(names, width)) * tallest


def legend(
    axes: "Axes", entries: "Sequence[Artist]", names: Sequence[str], *, width: float
) -> None:
    """`width` inches wide, below the axes' own label, where it covers nothing."""
    axes.legend(
        entries,
        [label(name) for name in names],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        ncols=_columns(names, width),
        fontsize=8.5,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.2,
    )


def key(drawn: "Figure", entries: "Sequence[Artist]") -> None:
    """What the lines of all panels mean, at the foot of the figure."""
    names = [str(entry.get_label()) for entry in entries]
    drawn.legend(
        entries,
        [label(name) for name in names],
        loc="outside lower center",
        ncols=_columns(names, drawn.get_figwidth()),
        fontsize=8.5,
        frameon=False,
        handlelength=2.6,
    )


def plainly(axes: "Axes") -> None:
    """A light grid, and no frame where there is no scale."""
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def nothing(title: str, why: str) -> "Figure":
    """A picture that says why it is empty."""
    drawn = figure(1, title, 0)
    drawn.text(0.5, 0.5, why, ha="center", va="center", color=GREY)
    return drawn


def png(drawn: "Figure") -> bytes:
    picture = BytesIO()
    drawn.savefig(picture, format="png")
    return picture.getvalue()


def _columns(names: Sequence[str], width: float) -> int:
    """That fit, and are about equally long."""
    if not names:
        return 1
    longest = max(len(line) for name in names for line in label(name).split("\n"))
    fit = max(1, int(width / (0.55 + CHARACTER * longest)))
    return ceil(len(names) / ceil(len(names) / fit))
