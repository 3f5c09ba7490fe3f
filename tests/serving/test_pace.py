"""Refusals come at once, as long as they are few."""

from dataclasses import dataclass
from heapq import heappop, heappush

import pytest

from service.predict.pace import Pace


@dataclass
class Clock:
    """Seconds; told by the test."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_refused_at_once_and_what_comes_after_it_waits_for_its_turn() -> None:
    pace = Pace(a_second=10, at_once=3, later_s=60, clock=Clock())
    assert [pace.turn() for _ in range(6)] == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


def test_refusals_that_are_few_never_wait() -> None:
    clock = Clock()
    pace = Pace(a_second=10, at_once=1, clock=clock)
    for _ in range(100):
        assert pace.turn() == 0
        clock.now += 0.11


def test_time_gives_a_burst_back_and_no_more_than_one() -> None:
    clock = Clock()
    pace = Pace(a_second=10, at_once=3, clock=clock)
    assert [pace.turn() for _ in range(5)][-1] == pytest.approx(0.2)
    clock.now += 3600
    assert [pace.turn() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_nobody_waits_for_longer_than_that() -> None:
    """Who would is refused at once, and takes nobody's turn."""
    clock = Clock()
    pace = Pace(a_second=10, at_once=1, later_s=0.55, clock=clock)
    assert [pace.turn() for _ in range(8)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0, 0])
    clock.now += 0.1
    assert [pace.turn() for _ in range(2)] == pytest.approx([0.5, 0])


@pytest.mark.parametrize("asks_again_after_s", [1, 5])
def test_a_thousand_clients_are_refused_no_faster_whatever_they_do(asks_again_after_s: int) -> None:
    """For a minute of simulated time; its first third, in which the burst is spent, is not counted."""
    clock = Clock()
    pace, began = Pace(clock=clock), clock.now
    asks_at = [began + client / 1000 for client in range(1000)]
    heard: list[float] = []
    while (now := heappop(asks_at)) < began + 60:
        clock.now = now
        wait = pace.turn()
        assert wait <= pace.later_s
        heard.append(now + wait)
        heappush(asks_at, now + wait + asks_again_after_s)
    late = [at for at in heard if began + 20 <= at < began + 60]
    assert len(late) / 40 <= pace.a_second * 1.01
