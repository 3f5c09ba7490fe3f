"""Promises of a sweep's pictures: what they show, and that nothing covers anything."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from service.sweeps import curve_picture, curves, depth_picture, report, response_picture
from service.sweeps.measured import ReportInput
from service.sweeps.pictures import draw
from tests.sweeps.made_up import (
    looked_into,
    plausible,
    preset_input,
    report_input,
    stopped,
    trial,
)
from trainer.contract.space import Point

MINI = {"dataset": "fashion-mnist-mini", "recipe": "paper-cifar", "epochs": 9}


def _sweep(points: list[Point], title: str = "a sweep") -> ReportInput:
    trials = [plausible(i, point, MINI) for i, point in enumerate(points, start=1)]
    return report_input(trials, title=title)


def _grid() -> ReportInput:
    plain: list[Point] = [{"arch": f"plain{d}", "seed": s} for d in (20, 32) for s in (0, 1)]
    residual: list[Point] = [
        {"arch": f"resnet{d}", "shortcut": c, "seed": s}
        for d in (20, 32)
        for c in "ABC"
        for s in (0, 1)
    ]
    return _sweep([*plain, *residual])


def _asha() -> ReportInput:
    points: list[Point] = [
        {"arch": "resnet20", "recipe.learning_rate": 0.01 * i, "recipe.momentum": 0.9 - 0.01 * i}
        for i in range(1, 25)
    ]
    given = _sweep(points)
    cut = [t if t.number % 3 == 0 else stopped(t, 1 + t.number % 3) for t in given.trials]
    return given.model_copy(update={"trials": tuple(cut)})


def _long() -> ReportInput:
    fields = ("label_smoothing", "mixup", "cutmix", "weight_decay")
    points: list[Point] = [
        {"arch": f"resnet{d}", **{f"recipe.{f}": 0.01234 * i for f in fields}}
        for d in (20, 32)
        for i in (1, 2, 3)
    ]
    return _sweep(points, title="A long name " * 16)


CASES = {
    "one trial": lambda: _sweep([{"arch": "resnet20"}]),
    "grid": _grid,
    "table 3": lambda: preset_input("paper-table-3"),
    "table 6": lambda: preset_input("paper-table-6", "fashion-mnist-mini", 0.01),
    "asha": _asha,
    "long labels": _long,
}
DRAW: dict[str, Callable[[ReportInput], Figure]] = {
    "curves": curve_picture.draw,
    "depth": lambda given: depth_picture.draw(report.write(given)),
    "responses": lambda given: response_picture.draw(looked_into(given)),
}


def _drawn(figure: Figure) -> list[Axes]:
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]  # matplotlib's own
    return figure.axes


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("picture", DRAW)
def test_nothing_covers_anything_and_all_is_inside(case: str, picture: str) -> None:
    figure = DRAW[picture](CASES[case]())
    axes = _drawn(figure)
    legends = [*figure.legends, *(legend for each in axes if (legend := each.get_legend()))]
    texts = [each.title for each in axes] + [each.xaxis.label for each in axes]
    boxes = [each.get_window_extent() for each in (*axes, *legends, *texts)]
    if figure._suptitle:  # type: ignore[attr-defined]  # matplotlib has no public name for it
        boxes.append(figure._suptitle.get_window_extent())  # type: ignore[attr-defined]
    for one, other in combinations(boxes, 2):
        assert not one.padded(-1).overlaps(other.padded(-1))
    for box in boxes:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("picture", ["curves", "iterations", "depth", "responses"])
def test_every_picture_is_a_png_that_can_be_read(picture: str) -> None:
    image = Image.open(BytesIO(draw(_grid(), picture)))  # type: ignore[arg-type]
    assert image.format == "PNG"
    assert min(image.size) >= 500


def test_plain_is_left_and_residual_right_on_one_scale() -> None:
    left, right = _drawn(curve_picture.draw(_grid()))
    assert (left.get_title(), right.get_title()) == ("plain", "residual")
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylabel() == "top-1 error (%)"
    assert left.get_xlabel() == "epoch"


def test_one_kind_has_one_panel() -> None:
    assert len(curve_picture.draw(_asha()).axes) == 1


def test_training_is_thin_and_validation_bold_in_the_network_s_colour() -> None:
    (axes,) = curve_picture.draw(_sweep([{"arch": "resnet20"}])).axes
    training, validation = axes.get_lines()
    assert training.get_linewidth() < validation.get_linewidth() / 2
    assert training.get_color() == validation.get_color()


def test_a_depth_has_one_colour_in_both_panels() -> None:
    left, right = curve_picture.draw(_grid()).axes
    colours = [{str(line.get_color()) for line in axes.get_lines()} for axes in (left, right)]
    assert colours[0] == colours[1]
    assert len(colours[0]) == 2


@pytest.mark.parametrize("case", CASES)
def test_no_two_lines_of_a_panel_look_alike(case: str) -> None:
    found = curves.best(CASES[case]()).curves
    for kind in {curve.kind for curve in found}:
        panel = [curve for curve in found if curve.kind == kind]
        looks = curve_picture.styles(panel, sorted({curve.depth for curve in panel}))
        assert len({str(look) for look in looks}) == len(panel)


def test_seeds_are_a_mean_with_a_band() -> None:
    left, _ = curve_picture.draw(_grid()).axes
    assert len(left.get_lines()) == 2 * 2
    assert len(left.collections) == 2 * 2
    (alone,) = curve_picture.draw(_sweep([{"arch": "resnet20"}])).axes
    assert not alone.collections


def test_no_more_lines_are_drawn_than_can_be_told_apart() -> None:
    figure = curve_picture.draw(_asha())
    (axes,) = _drawn(figure)
    legend = axes.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 16
    assert "the best 16 of 24 by top-1 error" in figure.get_suptitle()


def test_the_paper_s_figures_are_hollow_and_only_where_it_has_some() -> None:
    points: list[Point] = [{"arch": f"{kind}{d}"} for kind in ("plain", "resnet") for d in (20, 32)]
    _, validation = depth_picture.draw(report.write(_sweep(points))).axes
    hollow = [line for line in validation.get_lines() if line.get_markerfacecolor() == "none"]
    assert [float(line.get_ydata()[0]) for line in hollow] == [8.75, 7.51]  # type: ignore[index, arg-type]


def test_depth_is_drawn_of_trainings_that_came_to_their_end() -> None:
    given = _sweep([{"arch": "resnet20"}, {"arch": "resnet32"}])
    cut = given.model_copy(update={"trials": (given.trials[0], stopped(given.trials[1], 2))})
    training, _ = depth_picture.draw(report.write(cut)).axes
    assert [tick.get_text() for tick in training.get_xticklabels()] == ["20"]


def test_responses_are_drawn_in_order_and_by_size() -> None:
    given = looked_into(preset_input("paper-figure-7", "fashion-mnist-mini", 0.01))
    in_order, by_size = (
        {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.get_lines()}
        for axes in response_picture.draw(given).axes
    )
    assert {name: len(found) for name, found in in_order.items()} == {
        "plain-20": 19,
        "plain-56": 55,
        "ResNet-20": 19,
        "ResNet-56": 55,
        "ResNet-110": 109,
    }
    for name, found in by_size.items():
        assert np.array_equal(found, np.sort(in_order[name])[::-1])


def test_responses_that_nobody_measured_are_said_to_be_missing() -> None:
    texts = [text.get_text() for text in response_picture.draw(_grid()).texts]
    assert texts[-1].startswith("No network's layers are measured")


def test_a_sweep_that_has_measured_nothing_says_so() -> None:
    given = report_input([trial(1, {"arch": "resnet20"}, [])])
    assert [text.get_text() for text in curve_picture.draw(given).texts][-1] == (
        "No trial has been validated yet."
    )
    assert draw(given, "depth")


def test_a_name_is_no_formula() -> None:
    given = _sweep([{"arch": "resnet20"}], title=r"costs $\nonsense{ and $ more")
    figure = curve_picture.draw(given)
    _drawn(figure)
    assert figure.get_suptitle().replace("\\$", "$") == given.title


def test_threads_draw_at_once_without_disturbing_each_other() -> None:
    given = _sweep([{"arch": "resnet20"}, {"arch": "plain20"}])
    alone = draw(given)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(draw, [given] * 4)) == {alone}


def test_matplotlib_waits_for_the_first_picture() -> None:
    code = "import sys, service.sweeps.pictures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
