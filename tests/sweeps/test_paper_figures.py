"""The paper's tables, copied from it by hand: each figure is in the report of its preset."""

import pytest

from service.sweeps import report
from tests.sweeps.made_up import preset_input

Figure = tuple[float | None, float | None]

TABLES: dict[str, dict[tuple[str, str | None], Figure]] = {
    "paper-table-2": {
        ("plain18", None): (27.94, None),
        ("plain34", None): (28.54, None),
        ("resnet18", "A"): (27.88, None),
        ("resnet34", "A"): (25.03, None),
    },
    "paper-table-3": {
        ("vgg16", None): (28.07, 9.33),
        ("googlenet", None): (None, 9.15),
        ("prelunet", None): (24.27, 7.38),
        ("plain34", None): (28.54, 10.02),
        ("resnet34", "A"): (25.03, 7.76),
        ("resnet34", "B"): (24.52, 7.46),
        ("resnet34", "C"): (24.19, 7.40),
        ("resnet50", "B"): (22.85, 6.71),
        ("resnet101", "B"): (21.75, 6.05),
        ("resnet152", "B"): (21.43, 5.71),
    },
    "paper-table-4": {
        ("prelunet", None): (21.59, 5.71),
        ("resnet34", "B"): (21.84, 5.71),
        ("resnet34", "C"): (21.53, 5.60),
        ("resnet50", "B"): (20.74, 5.25),
        ("resnet101", "B"): (19.87, 4.60),
        ("resnet152", "B"): (19.38, 4.49),
    },
    "paper-table-6": {
        ("maxout", None): (9.38, None),
        ("nin", None): (8.81, None),
        ("dsn", None): (8.22, None),
        ("fitnet19", None): (8.39, None),
        ("highway19", None): (7.54, None),
        ("highway32", None): (8.80, None),
        ("resnet20", "A"): (8.75, None),
        ("resnet32", "A"): (7.51, None),
        ("resnet44", "A"): (7.17, None),
        ("resnet56", "A"): (6.97, None),
        ("resnet110", "A"): (6.43, None),
        ("resnet1202", "A"): (7.93, None),
    },
}
"""Preset → network and shortcut → top-1 and top-5 error in percent."""


@pytest.mark.parametrize("preset", TABLES)
@pytest.mark.parametrize("dataset", [None, "fashion-mnist-mini"])
def test_a_preset_s_report_has_its_table_s_figures_and_no_others(
    preset: str, dataset: str | None
) -> None:
    written = report.write(preset_input(preset, dataset, scale=1 if dataset is None else 0.001))
    found = {}
    for row in written.rows:
        figure = row.beside.figure
        assert figure is not None
        assert f"paper-table-{figure.table}" == preset
        found[row.network, row.shortcut] = (figure.top1_error, figure.top5_error)
        compared = row.beside.difference, row.beside.top5_difference
        theirs = figure.top1_error, figure.top5_error
        assert [each is not None for each in compared] == [
            dataset is None and each is not None for each in theirs
        ]
    assert found == TABLES[preset]
