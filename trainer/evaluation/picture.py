"""An analysis as a picture: responses as the paper's Fig. 7 shows them, and gradients below."""

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trainer.contract.analysis import Analysis

BLUE, RED = "#1f5fa8", "#b5402a"


def draw(analysis: Analysis) -> bytes:
    """A PNG. Above, standard deviations of the convolutions' responses, in layer order and sorted by
    size; below, norms of all gradients, on a logarithmic scale.

    A classifier's responses, the logits, are several times larger and would flatten all others.
    """
    figure = Figure(figsize=(9, 6), dpi=120, layout="constrained")
    figure.suptitle(
        f"{analysis.model} ({analysis.arch}) on {analysis.images:,} validation images of {analysis.dataset}",
        fontsize=11,
    )
    grid = figure.add_gridspec(2, 2)
    in_order, by_size = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    below = figure.add_subplot(grid[1, :])
    responses = [layer.response_std for layer in analysis.layers if layer.kernel is not None]
    _line(in_order, responses, "convolution, in forward order", "std of the response", BLUE)
    _line(by_size, sorted(responses, reverse=True), "convolution, sorted by size", "", BLUE)
    by_size.sharey(in_order)
    in_order.set_ylim(bottom=0)
    gradients = [layer.gradient_norm for layer in analysis.layers]
    _line(below, gradients, "layer, in forward order", "norm of the weight's gradient", RED)
    if min(gradients) > 0:
        below.set_yscale("log")
    picture = BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _line(axes: Axes, values: Sequence[float], across: str, up: str, colour: str) -> None:
    places = range(1, len(values) + 1)
    axes.plot(places, values, color=colour, linewidth=1.2, marker=".", markersize=4)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
