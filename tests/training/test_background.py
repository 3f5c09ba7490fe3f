"""A journal that writes behind the loop's back loses nothing and stops nobody."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.training.small_runs import JOB, order
from trainer.contract import journal, layout
from trainer.contract.journal import JournalWriter, Record
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import StoreUnavailable
from trainer.training import logs
from trainer.training.background import BackgroundJournal
from trainer.training.endings import Diverged


@dataclass(frozen=True)
class Leaving(LocalStore):
    """A store whose first `away` puts fail."""

    away: list[None]

    def put(self, key: str, data: bytes) -> None:
        if self.away:
            self.away.pop()
            raise StoreUnavailable("the store is away")
        super().put(key, data)


def kept(store: LocalStore, prefix: str = "metrics") -> list[Record]:
    return [record for _, records in journal.read(store, prefix) for record in records]


def write(numbers: BackgroundJournal, *values: int) -> None:
    for value in values:
        numbers.add(lambda value=value: [{"n": value}])  # type: ignore[misc]


def test_what_was_added_can_be_read_once_it_is_settled(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with BackgroundJournal(JournalWriter(store, "metrics"), interval_s=60) as numbers:
        write(numbers, 1, 2, 3)
        numbers.settle()
        assert kept(store) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_leaving_writes_what_is_left(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with BackgroundJournal(JournalWriter(store, "metrics"), interval_s=60) as numbers:
        write(numbers, 1)
    assert kept(store) == [{"n": 1}]


def test_a_store_that_comes_back_gets_everything_once(tmp_path: Path) -> None:
    store = Leaving(tmp_path, [None] * 3)
    with BackgroundJournal(JournalWriter(store, "metrics"), interval_s=0.01) as numbers:
        write(numbers, 1, 2)
        numbers.settle()
        write(numbers, 3)
        numbers.settle()
    assert kept(store) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_store_that_stays_away_fails_the_journal(tmp_path: Path) -> None:
    store = Leaving(tmp_path, [None] * 1000)
    writer = JournalWriter(store, "metrics")
    with BackgroundJournal(writer, interval_s=0.01, patience_s=0.05) as numbers:
        write(numbers, 1)
        with pytest.raises(StoreUnavailable):
            numbers.settle()
        with pytest.raises(StoreUnavailable):
            numbers.check()


def test_what_cannot_be_produced_fails_the_journal_after_what_came_before(tmp_path: Path) -> None:
    def diverged() -> list[Record]:
        raise Diverged(2)

    store = LocalStore(tmp_path)
    with BackgroundJournal(JournalWriter(store, "metrics"), interval_s=60) as numbers:
        write(numbers, 1)
        numbers.add(diverged)
        write(numbers, 3)
        with pytest.raises(Diverged):
            numbers.settle()
    assert kept(store) == [{"n": 1}]


def test_logs_and_warnings_of_an_attempt_are_kept_line_by_line(tmp_path: Path) -> None:
    store, log = LocalStore(tmp_path), logging.getLogger("trainer.somewhere")
    with logs.kept(store, order(), "1"):
        log.info("two\nlines")
        warnings.warn("a warning", stacklevel=1)
        logging.getLogger("somebody.else").info("not ours, and no warning")
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("it failed")
    log.info("after the end")
    found = kept(store, layout.logs(JOB, 1, "1"))
    said = [(line["level"], line["message"]) for line in found]
    assert said[:2] == [("info", "two"), ("info", "lines")]
    assert ("error", "it failed") in said
    assert ("error", "ValueError: broken") in said
    assert any(level == "warning" and "a warning" in message for level, message in said)
    assert not any("not ours" in message or "after" in message for _, message in said)
    assert {line["rank"] for line in found} == {"1"}


def test_logs_wait_for_their_store_and_fail_nothing(tmp_path: Path) -> None:
    store = Leaving(tmp_path, [None] * 2)
    with logs.kept(store, order(), "0"):
        logging.getLogger("trainer").info("hello")
    assert len(store.away) < 2
