"""Promises of a sweep's report as Markdown."""

import re

import pytest

from service.lifecycle import State
from service.sweeps import markdown, report
from service.sweeps.markdown import in_short
from service.sweeps.measured import MeasuredTrial
from tests.sweeps.made_up import evaluation, preset_input, report_input, stopped, trial
from trainer.contract.reasons import Code, reason
from trainer.contract.space import Point

CROPS = {"dataset": "imagenet", "recipe": "paper-imagenet", "protocol": "10-crop"}


def _written(*trials: MeasuredTrial, **fields: str) -> str:
    return markdown.of(report.write(report_input(trials, **fields)))


def _table(text: str, head: str) -> list[dict[str, str]]:
    """Rows of the table whose first column is `head`, by column."""
    (table,) = re.findall(rf"^\| {head} .*(?:\n\|.*)+", text, flags=re.M)
    heads, _, *lines = (
        [c.strip() for c in line.strip("|").split("|")] for line in table.split("\n")
    )
    return [dict(zip(heads, line, strict=True)) for line in lines]


def test_a_row_shows_mean_and_deviation_beside_the_paper() -> None:
    trials = [trial(i, {"arch": "resnet110", "seed": i}, [30.0, 6.0 + i]) for i in (1, 2, 3)]
    (row,) = _table(_written(*trials), "network")
    assert row == {
        "network": "resnet110",
        "shortcut": "A",
        "seeds": "3",
        "epochs": "2 of 165",
        "error (%)": "8.00 ± 1.00",
        "lowest error (%)": "8.00 ± 1.00",
        "top-5 error (%)": "0.80 ± 0.10",
        "loss": "0.267 ± 0.033",
        "training error (%)": "8.00 ± 1.00",
        "parameters": "1.73M",
        "multiply-adds": "252.9M",
        "minutes": "10.0",
        "paper (%)": "6.43",
        "difference": "+1.57",
    }


def test_both_errors_stand_as_in_table_3() -> None:
    point: Point = {"arch": "resnet50", "shortcut": "B"}
    given = trial(1, point, [25.0], base=CROPS, evaluation=evaluation("10-crop", 22.0, 6.0))
    (row,) = _table(_written(given), "network")
    assert (row["paper (%)"], row["difference"]) == ("22.85 / 6.71", "-0.85 / -0.71")


def test_what_the_paper_leaves_open_is_open() -> None:
    given = trial(
        1, {"arch": "googlenet"}, [31.0], base=CROPS, evaluation=evaluation("10-crop", 30.0, 9.0)
    )
    (row,) = _table(_written(given), "network")
    assert (row["paper (%)"], row["difference"]) == ("– / 9.15", "– / -0.15")


def test_each_field_that_varies_has_a_column() -> None:
    points: list[Point] = [
        {"arch": "plain20", "recipe.learning_rate": rate, "batch_size": 64} for rate in (0.1, 0.05)
    ]
    text = _written(*(trial(i, point, [9.0]) for i, point in enumerate(points, start=1)))
    rows = _table(text, "network")
    assert [row["learning\\_rate"] for row in rows] == ["0.1", "0.05"]
    assert [row["batch\\_size"] for row in rows] == ["64", "64"]
    assert "shortcut" not in rows[0]


def test_all_that_is_said_is_there() -> None:
    written = report.write(preset_input("paper-figure-6", "fashion-mnist-mini", 0.01))
    text = markdown.of(written).replace("\\", "")
    for sentence in (*written.sentences, *(pair.sentence for pair in written.pairs)):
        assert f"- {sentence}\n" in text
    assert "The design of the paper's Fig. 6 at 0.01 of its length." in text


def test_what_did_not_come_to_its_end_is_marked_in_its_row_and_listed() -> None:
    why = reason(Code.DIVERGED, "The loss is not a number.")
    text = _written(
        stopped(trial(1, {"arch": "resnet20"}, [40.0, 30.0, 8.0]), 2),
        trial(2, {"arch": "resnet32"}, [], state=State.FAILED, reason=why),
    )
    rows = _table(text, "network")
    assert [row["network"] for row in rows] == ["resnet20 (ended early)", "resnet32 (failed)"]
    assert rows[1]["error (%)"] == "–"
    ended, failed = _table(text, "trial")
    assert (ended["epochs"], ended["state"]) == ("2 of 165", "ended early")
    assert (failed["point"], failed["why"]) == ("arch resnet32", "The loss is not a number.")


def test_the_ensemble_has_a_table_of_its_own() -> None:
    given = preset_input("paper-table-5").model_copy(
        update={"ensemble": evaluation("multi-scale", 19.0, 4.1)}
    )
    (row,) = _table(markdown.of(report.write(given)), "models")
    assert (row["top-5 error (%)"], row["paper, top-5 (%)"]) == ("4.10", "3.57")


def test_a_name_cannot_be_markup() -> None:
    text = _written(trial(1, {"arch": "plain20"}, [9.0]), title="a|b\n# <b>[x](y)")
    assert text.startswith("# a|b \\# \\<b\\>\\[x\\](y)\n\n")


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (272_474, "0.27M"),
        (1_730_714, "1.73M"),
        (25_557_032, "25.6M"),
        (3.8e9, "3.80G"),
        (640, "640"),
    ],
)
def test_large_numbers_are_written_as_in_the_paper(count: float, words: str) -> None:
    assert in_short(count) == words


def test_a_sweep_without_trials_has_a_page() -> None:
    assert _written(title="Nothing yet").startswith("# Nothing yet\n")
