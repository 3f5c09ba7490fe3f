"""Observers of the loop: the first worker reports for all, the others only add their sums."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from torch import Tensor

from trainer.contract.attempts import MetricPoint
from trainer.contract.journal import Record
from trainer.contract.reasons import Reason
from trainer.contract.spec import ResolvedSpec
from trainer.training.agreement import Agreement
from trainer.training.background import BackgroundJournal
from trainer.training.checkpoint import Checkpointer
from trainer.training.group import Group
from trainer.training.meter import Measured, Meter, Pace
from trainer.training.points import epoch_of, point
from trainer.training.vigil import Vigil

log = logging.getLogger(__name__)


class Follower:
    """What the workers but the first do besides training: add up."""

    def __init__(self, group: Group, vigil: Vigil, clock: Callable[[], datetime]) -> None:
        self._meter = Meter(group, lambda _: None)
        self._agreement = Agreement(group, wished=lambda: vigil.wished)
        self._clock = clock

    def trained(self, step: int, rate: float, sums: Tensor) -> bool:
        self._meter.add(Measured(step, rate, sums, None, self._clock()))
        return self._agreement.goes_on()

    def validated(self, step: int, sums: Tensor) -> None:
        """The first worker says it."""

    def checkpoint_due(self, step: int) -> None:
        """The first worker's state is everybody's."""


@dataclass
class Reporter:
    """Writes points, takes checkpoints, logs each epoch; ends the run when one of these fails, or when
    the service or a worker wishes it."""

    spec: ResolvedSpec
    group: Group
    journal: BackgroundJournal
    checkpoints: Checkpointer
    vigil: Vigil
    clock: Callable[[], datetime]
    timer: Callable[[], float] = time.perf_counter
    last: MetricPoint | None = None
    """The newest validation point."""
    _epoch_sums: Tensor | None = None
    _paused_at: float = 0.0
    _meter: Meter = field(init=False)
    _agreement: Agreement = field(init=False)
    _pace: Pace = field(init=False)
    _rate: float | None = None
    _goes_on: bool = True
    """Whether another step follows the newest."""

    def __post_init__(self) -> None:
        self._meter = Meter(self.group, self._measured)
        self._agreement = Agreement(self.group, wished=lambda: self.vigil.wished)
        self._pace = Pace(self.timer)

    def trained(self, step: int, rate: float, sums: Tensor) -> bool:
        self.journal.check()
        self.checkpoints.check()
        self.vigil.check()
        self.vigil.step = step
        self._rate = self._pace.lap(self.spec.batch_size)
        self._meter.add(Measured(step, rate, sums, self._rate, self.clock()))
        self._paused_at = self.timer()
        self._goes_on = self._agreement.goes_on()
        return self._goes_on

    def validated(self, step: int, sums: Tensor) -> None:
        self._meter.settle()
        tally = sums.tolist()
        seconds = self.timer() - self._paused_at
        self.last = point(
            tally,
            split="val",
            step=step,
            steps_per_epoch=self.spec.steps_per_epoch,
            rate=None,
            images_per_second=tally[-1] / seconds if seconds > 0 else None,
            at=self.clock(),
        )
        record = self.last.model_dump(mode="json")
        self.journal.add(lambda: [record])
        self._log_epoch(self.last)
        self._pace.start()

    @property
    def halted(self) -> Reason | None:
        """Why the run ended before its last step, if that was wished."""
        wishers = self._agreement.wishers
        return self.vigil.why(wishers) if wishers or self.vigil.halt else None

    def checkpoint_due(self, step: int) -> None:
        self._meter.settle()
        own = self.last is not None and self.last.step == step
        needed = own or not self._goes_on
        self.checkpoints.save(step, self.last if own else None, needed=needed)
        self._pace.start()

    def finish(self) -> None:
        """Return when everything is written that was reported. Raises what could not be."""
        self._meter.settle()
        self.checkpoints.land()
        self.journal.settle()

    def _measured(self, measured: Measured) -> None:
        total = self._epoch_sums
        self._epoch_sums = measured.sums.clone() if total is None else total.add_(measured.sums)
        self.journal.add(lambda: [self._train_record(measured)])

    def _train_record(self, measured: Measured) -> Record:
        """In the background: reading the sums waits for the device."""
        return point(
            measured.sums.tolist(),
            split="train",
            step=measured.step,
            steps_per_epoch=self.spec.steps_per_epoch,
            rate=measured.rate,
            images_per_second=measured.images_per_second,
            at=measured.at,
        ).model_dump(mode="json")

    def _log_epoch(self, val: MetricPoint) -> None:
        if self._epoch_sums is None:
            return
        loss, wrong, _, images = self._epoch_sums.tolist()
        self._epoch_sums = None
        log.info(
            "epoch %d of %d, step %d: train loss %.3f, error %.1f %%; "
            "val loss %.3f, error %.1f %% of %d images; %.0f images/s",
            epoch_of(val.step, self.spec.steps_per_epoch),
            self.spec.epochs,
            val.step,
            loss / images,
            100 * wrong / images,
            val.loss,
            val.top1_error,
            val.images,
            self._rate or 0.0,
        )
