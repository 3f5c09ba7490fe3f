"""Metric points as TensorBoard's event files, written beside the journal of an attempt's metrics.

A second view of the same points: nothing depends on it, and it never ends an attempt.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from trainer.contract import events, layout
from trainer.contract.attempts import MetricPoint, Split
from trainer.contract.journal import CHUNK_RECORDS, Record
from trainer.contract.objects.store import ObjectStore, StoreUnavailable

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 10.0
"""TensorBoard itself looks every 5 s or seldomer."""
SCALARS = ("loss", "top1_error", "top5_error", "lr", "images_per_second")
"""Names of charts, and of the point's fields."""


@dataclass
class Run:
    """What TensorBoard calls a run: a directory of event files. The newest file is rewritten as it grows."""

    store: ObjectStore
    prefix: str
    _number: int = 0
    """Of the first of `_files`."""
    _files: list[list[bytes]] = field(default_factory=list)
    """Records of those that are not closed and stored: the newest, and after a failure some before it."""
    _stored: bool = True

    def add(self, point: MetricPoint) -> None:
        if not self._files or len(self._files[-1]) > CHUNK_RECORDS:
            self._files.append([events.head(point.time)])
        values = {name: getattr(point, name) for name in SCALARS}
        given = {name: value for name, value in values.items() if value is not None}
        self._files[-1].append(events.scalars(point.step, point.time, given))
        self._stored = False

    def flush(self) -> None:
        """Store what is not stored yet. Raises StoreUnavailable; then the next time does it."""
        while not self._stored:
            key = f"{self.prefix}/{events.file_name(self._number)}"
            self.store.put(key, b"".join(self._files[0]))
            self._stored = len(self._files) == 1
            if not self._stored:
                self._number += 1
                del self._files[0]


@dataclass
class EventFiles:
    """An attempt's: a run for its training points and one for its validation points, so that TensorBoard
    draws both into one chart. Used by one thread."""

    store: ObjectStore
    job_id: str
    attempt: int
    timer: Callable[[], float] = time.monotonic
    _runs: dict[Split, Run] = field(default_factory=dict)
    _flushed_at: float = field(init=False)
    _broken: bool = False

    def __post_init__(self) -> None:
        self._flushed_at = self.timer()

    def add(self, written: Iterable[Record]) -> None:
        """Take the journal's `written` records in, and store them now and then. Raises nothing."""
        self._try(lambda: self._take(written))

    def close(self) -> None:
        """Store what is left. Raises nothing."""
        self._try(self._flush)

    def _take(self, written: Iterable[Record]) -> None:
        for record in written:
            point = MetricPoint.model_validate(record)
            self._run(point.split).add(point)
        if self.timer() - self._flushed_at >= FLUSH_EVERY_S:
            self._flush()

    def _flush(self) -> None:
        self._flushed_at = self.timer()  # also of one that fails: the next waits as long
        for run in self._runs.values():
            run.flush()

    def _run(self, split: Split) -> Run:
        if split not in self._runs:
            prefix = layout.event_files(self.job_id, self.attempt, split)
            self._runs[split] = Run(self.store, prefix)
        return self._runs[split]

    def _try(self, part: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            part()
        except StoreUnavailable as error:
            log.debug("event files wait for the store: %s", error)
        except Exception:
            self._broken = True
            self._runs.clear()
            log.warning("no more TensorBoard event files of this attempt", exc_info=True)
