"""Promises of a journal: what was appended is read once, in order, while it still grows."""

from pathlib import Path

import pytest

from trainer.contract import journal
from trainer.contract.objects.local import LocalStore


def _records(store: LocalStore, *, from_chunk: int = 0) -> list[int]:
    chunks = journal.read(store, "metrics", from_chunk=from_chunk)
    return [record["n"] for _, records in chunks for record in records]


def test_everything_appended_is_read_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "CHUNK_RECORDS", 10)
    store = LocalStore(tmp_path)
    writer = journal.JournalWriter(store, "metrics")
    for start in range(0, 35, 7):
        writer.append({"n": n} for n in range(start, start + 7))
        assert _records(store) == list(range(start + 7))


def test_a_closed_chunk_never_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "CHUNK_RECORDS", 2)
    store = LocalStore(tmp_path)
    writer = journal.JournalWriter(store, "metrics")
    writer.append([{"n": 0}, {"n": 1}])
    closed = store.get(journal.chunk_key("metrics", 0))
    writer.append([{"n": 2}])
    assert store.get(journal.chunk_key("metrics", 0)) == closed
    assert _records(store, from_chunk=1) == [2]


def test_a_journal_that_nobody_wrote_is_empty(tmp_path: Path) -> None:
    assert _records(LocalStore(tmp_path)) == []
