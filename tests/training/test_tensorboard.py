"""TensorBoard reads what the journal says, and no attempt ends for it."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from tests.api.attempt import AT, point
from tests.event_files import read, scalars
from tests.training.small_runs import JOB, Killed, Until, attempt, kill, order, points, small_spec
from trainer.contract import events, layout
from trainer.contract.attempts import MetricPoint
from trainer.contract.journal import JournalWriter, Record
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import StoreUnavailable
from trainer.training import tensorboard
from trainer.training.background import BackgroundJournal
from trainer.training.tensorboard import SCALARS, EventFiles


def run(store: LocalStore, number: int, split: str) -> list[Event]:
    """The events of a run, without the one that begins each file."""
    files = store.list(layout.event_files(JOB, number, split) + "/")
    return [event for stored in files for event in scalars(store.get(stored.key))]


def assert_shows(found: list[Event], wanted: list[MetricPoint]) -> None:
    assert [event.step for event in found] == [one.step for one in wanted]
    for event, one in zip(found, wanted, strict=True):
        assert event.wall_time == pytest.approx(one.time.timestamp())
        values = {value.tag: value.simple_value for value in event.summary.value}
        given = {name: getattr(one, name) for name in SCALARS}
        assert values == pytest.approx(
            {name: value for name, value in given.items() if value is not None}
        )


def test_it_shows_what_the_journal_says(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    attempt(store, order(1, small_spec(iterations=24)))
    for split in ("train", "val"):
        assert_shows(run(store, 1, split), points(store, 1, split))
    assert len(run(store, 1, "train")) == 24
    names = {value.tag for value in run(store, 1, "train")[0].summary.value}
    assert {"loss", "top1_error", "top5_error", "lr"} <= names


def test_a_resumed_attempt_has_its_own_and_only_its_own_steps(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(Killed):
        attempt(store, order(1), lambda network: Until(network, 16, kill))
    attempt(store, order(2))
    assert [event.step for event in run(store, 1, "train")][:14] == list(range(1, 15))
    assert [event.step for event in run(store, 2, "train")] == list(range(15, 31))


@dataclass
class Counted:
    store: LocalStore
    puts: list[int]
    """Bytes of each."""
    away: bool = False

    def put(self, key: str, data: bytes) -> None:
        if self.away:
            raise StoreUnavailable("the store is away")
        self.puts.append(len(data))
        self.store.put(key, data)


def records(first: int, last: int) -> list[Record]:
    return [point(step).model_dump(mode="json") for step in range(first, last + 1)]


def test_no_put_is_larger_than_a_file_however_long_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "CHUNK_RECORDS", 10)
    monkeypatch.setattr(tensorboard, "FLUSH_EVERY_S", 0.0)
    counted = Counted(LocalStore(tmp_path), [])
    files = EventFiles(counted, JOB, 1)  # type: ignore[arg-type]
    for first in range(1, 95, 3):
        files.add(records(first, first + 2))
    files.close()
    assert [event.step for event in run(counted.store, 1, "train")] == list(range(1, 97))
    assert len(list(counted.store.list(layout.event_files(JOB, 1, "train")))) == 10
    assert max(counted.puts) <= 11 * 130  # bytes


def test_what_a_store_missed_it_gets_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "CHUNK_RECORDS", 10)
    monkeypatch.setattr(tensorboard, "FLUSH_EVERY_S", 0.0)
    counted = Counted(LocalStore(tmp_path), [], away=True)
    files = EventFiles(counted, JOB, 1)  # type: ignore[arg-type]
    files.add(records(1, 35))
    counted.away = False
    files.add(records(36, 36))
    assert [event.step for event in run(counted.store, 1, "train")] == list(range(1, 37))


def test_it_is_stored_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    counted = Counted(LocalStore(tmp_path), [])
    now = [0.0]
    files = EventFiles(counted, JOB, 1, timer=lambda: now[0])  # type: ignore[arg-type]
    for step in range(1, 31):
        now[0] = float(step)
        files.add(records(step, step))
    assert len(counted.puts) == 3
    files.add(records(31, 31))
    files.close()
    assert [event.step for event in run(counted.store, 1, "train")] == list(range(1, 32))


def test_a_record_that_cannot_be_drawn_ends_the_drawing_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = LocalStore(tmp_path)
    files = EventFiles(store, JOB, 1)
    with (
        caplog.at_level(logging.WARNING),
        BackgroundJournal(JournalWriter(store, "metrics"), beside=files) as journal,
    ):
        journal.add(lambda: [{"n": 1}])
        journal.add(lambda: [{"n": 2}])
        journal.settle()
    assert store.get("metrics/000000.jsonl").splitlines() == [b'{"n":1}', b'{"n":2}']
    assert [line for line in caplog.messages if "TensorBoard" in line]
    assert run(store, 1, "train") == []


@pytest.mark.parametrize("step", [0, 1, 127, 128, 300, 16_383, 16_384, 2**40])
def test_a_file_can_be_cut_to_the_steps_that_count(step: int) -> None:
    made = [events.scalars(number, AT, {"loss": 1.5}) for number in (step, step + 1, step + 2)]
    whole = events.head(AT) + b"".join(made)
    assert [record.step for record in events.records(whole)] == [0, step, step + 1, step + 2]
    assert events.until(whole, step + 1) == events.head(AT) + b"".join(made[:2])
    assert [event.step for event in read(whole)] == [0, step, step + 1, step + 2]
    assert list(events.records(whole[:-1])) == list(events.records(whole))[:-1]
