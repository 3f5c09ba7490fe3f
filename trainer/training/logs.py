"""Python's logging and warnings as log lines in the store. The driver and each worker keep theirs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from trainer.contract import layout
from trainer.contract.attempts import LogLine, Order
from trainer.contract.journal import JournalWriter, Record
from trainer.contract.objects.store import ObjectStore
from trainer.training.background import BackgroundJournal, never_failing


class JournalHandler(logging.Handler):
    """Adds what is logged to a journal, a record for every line of a message."""

    def __init__(self, journal: BackgroundJournal, rank: str) -> None:
        super().__init__()
        self._journal = journal
        self._rank = rank
        self.setFormatter(logging.Formatter())  # the message, and the traceback if there is one

    def emit(self, record: logging.LogRecord) -> None:
        lines = [
            LogLine(
                time=datetime.fromtimestamp(record.created, UTC),
                level=_level(record.levelno),
                rank=self._rank,
                message=text,
            )
            for text in self.format(record).splitlines()
        ]
        self._journal.add(lambda: _records(lines))


@contextmanager
def kept(store: ObjectStore, order: Order, rank: str) -> Iterator[None]:
    """While this lasts, warnings of everything and more of `trainer` go to the attempt's log."""
    writer = JournalWriter(store, layout.logs(order.job_id, order.attempt, rank))
    root, ours = logging.getLogger(), logging.getLogger("trainer")
    before = ours.level
    with never_failing(writer) as journal:
        handler = JournalHandler(journal, rank)
        root.addHandler(handler)
        ours.setLevel(logging.INFO)
        logging.captureWarnings(capture=True)
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            ours.setLevel(before)
            root.removeHandler(handler)


def _records(lines: list[LogLine]) -> list[Record]:
    return [line.model_dump(mode="json") for line in lines]


def _level(number: int) -> Literal["debug", "info", "warning", "error"]:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"
