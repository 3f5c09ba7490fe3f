"""Each step is measured once, and the pace leaves pauses out."""

from datetime import UTC, datetime

import torch

from trainer.training.group import Group
from trainer.training.meter import Measured, Meter, Pace


def measured(step: int) -> Measured:
    return Measured(step, 0.1, torch.zeros(4), None, datetime.now(UTC))


def test_each_step_is_emitted_once_in_order() -> None:
    steps: list[int] = []
    meter = Meter(Group(), lambda each: steps.append(each.step))
    for step in (1, 2, 3):
        meter.add(measured(step))
    meter.settle()
    meter.settle()
    assert steps == [1, 2, 3]


def test_the_pace_is_that_of_the_last_steps() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0], steps=2)
    rates = []
    for seconds in (1.0, 1.0, 4.0, 4.0):
        now[0] += seconds
        rates.append(pace.lap(8))
    assert rates == [8, 8, 16 / 5, 2]


def test_a_pause_does_not_count() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    now[0] = 100.0
    pace.start()
    now[0] = 102.0
    assert pace.lap(8) == 4


def test_a_clock_that_stands_still_gives_no_pace() -> None:
    assert Pace(lambda: 1.0).lap(8) is None
