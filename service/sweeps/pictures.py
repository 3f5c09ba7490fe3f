"""The pictures of a sweep's report, as PNGs. The routes call it, several threads at once: no state of
matplotlib's is shared."""

from typing import Literal

from service.sweeps import curve_picture, depth_picture, look, report, response_picture
from service.sweeps.measured import ReportInput

Picture = Literal["curves", "iterations", "depth", "responses"]
"""curves: errors by epoch. iterations: the same by optimizer steps. depth: final errors by depth. responses:
standard deviations of layer responses, where the sweep ends with an analysis."""


def draw(given: ReportInput, picture: Picture = "curves") -> bytes:
    """A PNG, about 1000 pixels wide or more."""
    if picture == "depth":
        return look.png(depth_picture.draw(report.write(given)))
    if picture == "responses":
        return look.png(response_picture.draw(given))
    against: curve_picture.Against = "epoch" if picture == "curves" else "iteration"
    return look.png(curve_picture.draw(given, against))
