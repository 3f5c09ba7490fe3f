"""Promises of a report's rows beside the paper: which figure, what difference, which reservations."""

from typing import Any

import pytest

from service.lifecycle import State
from service.sweeps import report
from service.sweeps.measured import MeasuredTrial
from service.sweeps.report import Report
from tests.sweeps.made_up import evaluation, preset_input, report_input, trial
from trainer.contract.space import Point

MINI = {"dataset": "fashion-mnist-mini", "recipe": "paper-cifar"}
CROPS = {"dataset": "imagenet", "recipe": "paper-imagenet", "protocol": "10-crop"}


def _net(depth: int, seed: int = 0, **fields: Any) -> Point:
    return {"arch": f"resnet{depth}", "seed": seed, **fields}


def _written(*trials: MeasuredTrial) -> Report:
    return report.write(report_input(trials))


def test_the_difference_is_ours_less_the_paper_s() -> None:
    base = {"dataset": "cifar10", "recipe": "paper-cifar"}
    (row,) = _written(*(trial(i, _net(110, i), [6.0 + i / 2], base=base) for i in (1, 2))).rows
    assert row.beside.figure is not None
    assert row.beside.figure.top1_error == 6.43
    assert row.beside.difference == pytest.approx(6.75 - 6.43)
    assert row.beside.apart.comparable


def test_the_protocol_that_ended_a_training_decides_its_final_error() -> None:
    end = evaluation("10-crop", 24.0, 7.0)
    (row,) = _written(
        trial(1, _net(34, shortcut="B"), [30.0, 26.0], base=CROPS, evaluation=end)
    ).rows
    assert (row.means.protocol, row.means.epoch) == ("10-crop", 2)
    assert row.means.final_error is not None
    assert row.means.final_error.mean == 24.0
    assert row.means.best_error is not None
    assert row.means.best_error.mean == 26.0
    assert row.beside.difference == pytest.approx(24.0 - 24.52)
    assert row.beside.top5_difference == pytest.approx(7.0 - 7.46)


def test_before_its_protocol_has_ended_a_training_it_is_compared_with_nothing() -> None:
    (row,) = _written(
        trial(1, _net(34, shortcut="B"), [30.0], base=CROPS, state=State.RUNNING)
    ).rows
    assert row.beside.figure is not None
    assert row.beside.difference is None


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (MINI, "on fashion-mnist-mini instead of the paper's CIFAR-10"),
        (
            {"dataset": "cifar10", "recipe": "paper-cifar", "iterations": 3_200},
            "shortened to 3,200 of the paper's 64,000 iterations",
        ),
        (
            {"dataset": "digits", "recipe": "paper-cifar", "iterations": 100},
            "shortened to 100 of the paper's 64,000 iterations and on digits instead of the paper's CIFAR-10",
        ),
        (
            {"dataset": "cifar10", "recipe": "paper-cifar", "holdout": 5_000},
            "on 5,000 training images of cifar10 that were kept back instead of the paper's CIFAR-10",
        ),
    ],
)
def test_of_other_data_and_shorter_trainings_nothing_is_concluded(
    base: dict[str, Any], words: str
) -> None:
    written = _written(trial(1, _net(20), [9.0], base=base))
    beside = written.rows[0].beside
    assert beside.figure is not None
    assert beside.figure.top1_error == 8.75
    assert beside.difference is None
    assert written.sentences[0] == (
        f"These trainings are {words}: no conclusion about the paper can be drawn from them."
    )


def test_the_paper_s_own_training_has_no_reservations() -> None:
    sentences = _written(trial(1, _net(20), [50.0, 9.0])).sentences
    assert not any("no conclusion" in said or "Not as" in said for said in sentences)


def test_another_recipe_is_named_and_compared() -> None:
    changed = {"name": "paper-cifar", "learning_rate": 0.05}
    base = {"dataset": "cifar10", "recipe": changed, "batch_size": 64, "iterations": 64_000}
    written = _written(trial(1, _net(20), [9.0], base=base))
    assert written.rows[0].beside.difference == pytest.approx(0.25)
    assert written.sentences[0] == "Not as in the paper: learning_rate, batch_size."


def test_a_note_of_the_paper_s_goes_with_its_figure() -> None:
    words = (
        "The paper's error of ResNet-110, 6.43 %, is the best of 5 runs; their mean is 6.61 ± 0.16."
    )
    assert words in _written(trial(1, _net(110), [6.5])).sentences


def test_the_ensemble_stands_beside_table_5() -> None:
    together = evaluation("multi-scale", 19.0, 4.1)
    given = preset_input("paper-table-5").model_copy(update={"ensemble": together})
    written = report.write(given)
    assert written.ensemble is not None
    assert written.ensemble.evaluation == together
    assert written.ensemble.figure.top5_error == 3.57
    assert any("test images of ImageNet" in said for said in written.sentences)
