"""What a training loop waits for, added up as it goes. Signs of life carry it to the service.

Two readings of a clock and an addition a wait: a microsecond, where a step takes milliseconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime


@dataclass
class Pulse:
    """Of one worker in one attempt. The loop's thread writes the seconds, that of the checkpoints the time;
    any may read."""

    data_s: float = 0.0
    """On making batches."""
    stall_s: float = 0.0
    """On checkpoints, when they were due: for the one before to be stored, and for what is copied at once."""
    stored_at: datetime | None = None
    """When the newest good checkpoint was stored."""
    timer: Callable[[], float] = time.perf_counter

    @contextmanager
    def making_data(self) -> Iterator[None]:
        began = self.timer()
        yield
        self.data_s += self.timer() - began

    @contextmanager
    def stalled(self) -> Iterator[None]:
        began = self.timer()
        yield
        self.stall_s += self.timer() - began
