"""Promises of a sweep's report: how trials are joined, counted and put beside the paper."""

from typing import Any

import pytest

from service.lifecycle import State
from service.sweeps import report
from service.sweeps.measured import MeasuredTrial
from service.sweeps.report import Report
from service.sweeps.rows import Row
from tests.sweeps.made_up import preset_input, report_input, stopped, trial
from trainer.contract.reasons import Code, reason
from trainer.contract.space import Point


def _net(depth: int, seed: int = 0, **fields: Any) -> Point:
    return {"arch": f"resnet{depth}", "seed": seed, **fields}


def _written(*trials: MeasuredTrial, **fields: Any) -> Report:
    return report.write(report_input(trials, **fields))


def _only(*trials: MeasuredTrial, **fields: Any) -> Row:
    (row,) = _written(*trials, **fields).rows
    return row


def test_trials_that_differ_only_in_their_seed_are_one_row() -> None:
    row = _only(*(trial(i, _net(110, i), [50.0, 5.0 + i]) for i in (1, 2, 3)))
    assert row.trials == (1, 2, 3)
    assert row.name == "ResNet-110"
    assert row.means.final_error is not None
    assert (row.means.final_error.mean, row.means.final_error.deviation) == (7.0, 1.0)
    assert row.means.seeds == row.means.final_error.count == 3


def test_one_seed_has_no_spread() -> None:
    error = _only(trial(1, _net(20), [9.0])).means.final_error
    assert error is not None
    assert (error.mean, error.deviation, error.count) == (9.0, None, 1)


def test_each_figure_is_the_mean_of_what_it_says() -> None:
    first = trial(1, _net(20, 0), [20.0, 8.0, 9.0], minutes=4.0, training={1: 30.0, 2: 6.0, 3: 5.0})
    other = trial(2, _net(20, 1), [20.0, 12.0, 11.0], minutes=6.0, training={3: 7.0})
    means = _only(first, other).means
    found = [
        means.best_error,
        means.final_error,
        means.top5_error,
        means.training_error,
        means.minutes,
    ]
    assert [each.mean for each in found if each] == [9.5, 10.0, 1.0, 6.0, 5.0]
    assert means.best_error is not None
    assert means.best_error.deviation == pytest.approx(1.5 * 2**0.5)  # of 8.0 and 11.0
    assert means.loss is not None
    assert means.loss.mean == pytest.approx(10.0 / 30)


def test_rows_differ_in_everything_but_the_seed() -> None:
    fields: list[Any] = [{"shortcut": "A"}, {"shortcut": "B"}, {"recipe.learning_rate": 0.05}]
    rows = _written(*(trial(i, _net(20, **f), [9.0]) for i, f in enumerate(fields, start=1))).rows
    assert [row.name for row in rows] == [
        "ResNet-20 A",
        "ResNet-20 A with learning_rate 0.05",
        "ResNet-20 B",
    ]


def test_how_many_workers_a_trial_was_given_tears_no_row_apart() -> None:
    base = {"dataset": "cifar10", "recipe": "paper-cifar"}
    given = [trial(i, _net(20, i), [9.0], base=base | {"workers": i}) for i in (1, 2)]
    assert _only(*given).trials == (1, 2)
    varied = [trial(i, _net(20, workers=i), [9.0]) for i in (1, 2)]
    assert [row.trials for row in _written(*varied).rows] == [(1,), (2,)]


def test_rows_stand_by_kind_and_depth() -> None:
    archs = ["resnet32", "plain32", "nin", "resnet20", "plain20"]
    rows = _written(*(trial(i, {"arch": a}, [9.0]) for i, a in enumerate(archs, start=1))).rows
    assert [row.network for row in rows] == ["nin", "plain20", "plain32", "resnet20", "resnet32"]


def test_only_finished_trials_count_where_there_are_any() -> None:
    cut = stopped(trial(2, _net(20, 1), [40.0, 30.0, 8.0]), 2)
    failed = trial(3, _net(20, 2), [50.0], state=State.FAILED)
    row = _only(trial(1, _net(20), [50.0, 9.0]), cut, failed)
    assert (row.ending, row.trials, row.means.seeds) == ("finished", (1, 2, 3), 1)
    assert row.means.final_error is not None
    assert row.means.final_error.mean == 9.0


def test_what_did_not_come_to_its_end_is_there_and_marked() -> None:
    why = reason(Code.DIVERGED, "The loss is not a number.")
    written = _written(
        stopped(trial(1, _net(20), [40.0, 30.0, 8.0]), 2),
        trial(2, _net(32), [], state=State.FAILED, reason=why),
        trial(
            3, _net(44), [], spec=None, state=None, reason=reason(Code.INVALID_POINT, "No such.")
        ),
        trial(4, _net(56), [], spec=None, state=None),
        trial(5, _net(110), [9.0], state=State.RUNNING),
        trial(6, _net(110, 1), [9.0], state=State.CANCELLED),
    )
    endings = ["ended early", "failed", "refused", "deleted", "unfinished", "cancelled"]
    assert [each.ending for each in written.incomplete] == endings
    assert [(each.epoch, each.epochs) for each in written.incomplete[:3]] == [
        (2, 165),
        (0, 165),
        (0, None),
    ]
    assert written.incomplete[1].why == "The loss is not a number."
    assert [row.ending for row in written.rows] == ["ended early", "failed", "unfinished"]
    assert all(row.beside.difference is None for row in written.rows)
    assert written.rows[1].means.final_error is None
    assert written.sentences[-1].startswith(
        "6 of 6 trials did not come to their end (1 ended early, "
    )


@pytest.mark.parametrize(
    ("metric", "best", "words"),
    [
        ("top1_error", 2, "The lowest top-1 error is 8 %: trial 2, ResNet-32, seed 0."),
        ("loss", 1, "The lowest loss is 0.2: trial 1, ResNet-20, seed 0."),
    ],
)
def test_the_best_is_by_the_sweep_s_metric(metric: str, best: int, words: str) -> None:
    first = trial(1, _net(20), [9.0])
    points = tuple(point.model_copy(update={"loss": 0.2}) for point in first.validations)
    written = _written(
        first.model_copy(update={"validations": points}),
        trial(2, _net(32), [8.0]),
        trial(3, _net(44), [7.0], state=State.FAILED),
        metric=metric,
    )
    assert written.best == best
    assert words in written.sentences


def test_a_sweep_without_trials_has_a_report() -> None:
    written = _written()
    assert (written.rows, written.best, written.sentences) == ((), None, ())


def test_a_report_survives_being_json() -> None:
    written = report.write(preset_input("paper-table-6", "fashion-mnist-mini", 0.01))
    assert Report.model_validate_json(written.model_dump_json()) == written
