"""A journal written in the background: metrics and logs go through it, and stop nobody."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from trainer.contract.journal import JournalWriter, Record
from trainer.contract.objects.store import StoreUnavailable
from trainer.training.patience import PATIENCE_S

Produce = Callable[[], Iterable[Record]]


class Beside(Protocol):
    """Is given every record once, when it is written. Raises nothing, and is closed with the journal."""

    def add(self, written: Iterable[Record]) -> None: ...

    def close(self) -> None: ...


FAREWELL_S = 5.0
"""Seconds that the last records get when the journal is closed."""


@dataclass
class BackgroundJournal:
    """Writes what was added every `interval_s` seconds, from entering its context to leaving it.

    While the store is away records are kept; after `patience_s` seconds of that the journal fails.
    """

    writer: JournalWriter
    beside: Beside | None = None
    interval_s: float = 1.0
    patience_s: float = PATIENCE_S
    timer: Callable[[], float] = time.monotonic
    _queue: SimpleQueue[Produce | threading.Event] = field(default_factory=SimpleQueue)
    _wake: threading.Event = field(default_factory=threading.Event)
    _closing: threading.Event = field(default_factory=threading.Event)
    _failure: Exception | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(FAREWELL_S)

    def add(self, produce: Produce) -> None:
        """Have the records of `produce` written. It is called in the background; what it raises
        becomes the journal's failure."""
        self._queue.put(produce)

    def check(self) -> None:
        """Raise what stopped the writing, if anything did."""
        if self._failure is not None:
            raise self._failure

    def settle(self) -> None:
        """Return when readers can see everything added before. Raises what stopped the writing."""
        written = threading.Event()
        self._queue.put(written)
        self._wake.set()
        while not written.wait(0.05):
            self.check()
            if self._thread is not None and not self._thread.is_alive() and not written.is_set():
                raise RuntimeError("the journal was closed before all was written")

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._wake.wait(self.interval_s)
                self._wake.clear()
                self._write_all()
            self._write_all()
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop must hear of it
            self._failure = error
        finally:
            if self.beside is not None:
                self.beside.close()

    def _write_all(self) -> None:
        records: list[Record] = []
        asked: list[threading.Event] = []
        failure: Exception | None = None
        while failure is None:
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
            if isinstance(item, threading.Event):
                asked.append(item)
                continue
            try:
                records.extend(item())
            except Exception as error:  # noqa: BLE001 - what came before it is written first
                failure = error
        self._append(records)
        if self.beside is not None:
            self.beside.add(records)
        if failure is not None:
            raise failure
        for written in asked:
            written.set()

    def _append(self, records: list[Record]) -> None:
        until = self.timer() + self.patience_s
        while True:
            try:
                self.writer.append(records)
                return
            except StoreUnavailable:
                if self.timer() >= until or self._closing.is_set():
                    raise
                records = []  # the writer has them, and writes them with its next success
            self._closing.wait(self.interval_s)


def never_failing(writer: JournalWriter) -> BackgroundJournal:
    """A journal that waits for its store for as long as it takes: nothing depends on it."""
    return BackgroundJournal(writer, patience_s=math.inf)
