"""Each step's sums, added up over the workers without stopping any of them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import torch.distributed as dist
from torch import Tensor

from trainer.training.group import Group


@dataclass(frozen=True)
class Measured:
    """One optimizer step of all workers."""

    step: int
    """From 1."""
    rate: float
    """Learning rate."""
    sums: Tensor
    """A `tally`, on the device."""
    images_per_second: float | None
    at: datetime


class Meter:
    """Emits each step once, complete, one step late: by then its small sum has travelled along
    with the gradients of the next step, and waiting for it costs nothing."""

    def __init__(self, group: Group, emit: Callable[[Measured], None]) -> None:
        self._group = group
        self._emit = emit
        self._travelling: tuple[Measured, dist.Work | None] | None = None

    def add(self, measured: Measured) -> None:
        """`measured` has this worker's sums; they become everybody's."""
        work = self._group.add_later(measured.sums)
        self.settle()
        self._travelling = measured, work

    def settle(self) -> None:
        """Emit the step that is still on its way."""
        if self._travelling is None:
            return
        measured, work = self._travelling
        self._travelling = None
        if work is not None:
            work.wait()
        self._emit(measured)


class Pace:
    """Images per second of the training loop, over its last few steps."""

    def __init__(self, timer: Callable[[], float], steps: int = 10) -> None:
        self._timer = timer
        self._laps: deque[tuple[float, int]] = deque(maxlen=steps + 1)
        self.start()

    def start(self) -> None:
        """The loop starts, or goes on after a pause that is not to count."""
        self._laps.clear()
        self._laps.append((self._timer(), 0))

    def lap(self, images: int) -> float | None:
        """The rate after a step of `images` images; None while the clock has not moved."""
        self._laps.append((self._timer(), images))
        took = self._laps[-1][0] - self._laps[0][0]
        seen = sum(count for _, count in self._laps) - self._laps[0][1]
        return seen / took if took > 0 else None
