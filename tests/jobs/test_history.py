from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from service.jobs import chunks
from service.jobs.history import History, Part
from service.jobs.kept import Kept
from tests.jobs.making import NOW, begin, measure, point, save_checkpoint
from trainer.contract import journal, layout
from trainer.contract.attempts import LogLine
from trainer.contract.journal import CHUNK_RECORDS, JournalWriter
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import StoredObject

JOB = "job-00001"


@dataclass(frozen=True)
class Counted(LocalStore):
    """A store that counts what is read of it."""

    gets: Counter[str] = field(default_factory=Counter)

    def get(self, key: str, start: int = 0) -> bytes:
        self.gets[key] += 1
        return super().get(key, start)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return super().list(prefix)


@pytest.fixture
def store(tmp_path: Path) -> Counted:
    return Counted(tmp_path / "store")


@pytest.fixture
def history(store: Counted) -> History:
    return History(store)


def _steps(history: History, newest: int) -> list[int]:
    return [found.step for found in history.metrics(JOB, newest)]


def test_a_job_without_attempts_has_no_history(history: History) -> None:
    assert history.metrics(JOB, 0) == []
    assert history.checkpoints(JOB, 0) == []
    assert history.logs(JOB, 1) == []


def test_every_step_is_there_once_over_all_attempts(history: History, store: Counted) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 80)))
    begin(store, JOB, 2, step=50, of=1)
    measure(store, JOB, 2, map(point, range(51, 101)))
    assert _steps(history, 2) == list(range(1, 101))


def test_until_the_next_attempt_begins_all_of_the_last_one_counts(
    history: History, store: Counted
) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 80)))
    assert _steps(history, 2) == list(range(1, 80))


def test_an_attempt_that_never_began_has_nothing(history: History, store: Counted) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 80)))
    measure(store, JOB, 2, map(point, range(1, 200)))
    begin(store, JOB, 3, step=50, of=1)
    measure(store, JOB, 3, map(point, range(51, 60)))
    assert _steps(history, 3) == list(range(1, 60))


def test_an_attempt_whose_checkpoints_were_all_damaged_does_not_count(
    history: History, store: Counted
) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 80)))
    begin(store, JOB, 2, step=50, of=1)
    measure(store, JOB, 2, map(point, range(51, 71)))
    begin(store, JOB, 3, step=40, of=1)
    measure(store, JOB, 3, map(point, range(41, 90)))
    assert history.parts(JOB, 3) == [Part(1, 40), Part(3, None)]
    assert _steps(history, 3) == list(range(1, 90))


def test_a_zombie_that_the_next_attempt_went_on_from_leaves_no_gap(
    history: History, store: Counted
) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 201)))  # given up at 80, but it ran on
    begin(store, JOB, 2, step=50, of=1)
    measure(store, JOB, 2, map(point, range(51, 70)))
    begin(store, JOB, 3, step=200, of=1)
    measure(store, JOB, 3, map(point, range(201, 210)))
    assert _steps(history, 3) == list(range(1, 210))


def test_a_run_that_was_paused_and_extended_has_every_step_once(
    history: History, store: Counted, tmp_path: Path
) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, [*map(point, range(1, 38))])  # halted at 37, in the middle of an epoch
    save_checkpoint(store, JOB, 1, 37, tmp_path)
    begin(store, JOB, 2, step=37, of=1)
    measure(store, JOB, 2, [*map(point, range(38, 101)), point(100, "val")])
    last = save_checkpoint(store, JOB, 2, 100, tmp_path)
    assert _steps(history, 3) == [*range(1, 101), 100]  # extended, and attempt 3 has not begun
    begin(store, JOB, 3, step=100, of=2)
    measure(store, JOB, 3, [*map(point, range(101, 151)), point(150, "val")])
    seen = [(found.step, found.split) for found in history.metrics(JOB, 3)]
    assert [step for step, split in seen if split == "train"] == list(range(1, 151))
    assert [step for step, split in seen if split == "val"] == [100, 150]
    assert last in [found.prefix for found in history.checkpoints(JOB, 3)]


def test_a_fresh_start_forgets_what_was_before(history: History, store: Counted) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 20)))
    begin(store, JOB, 2)
    measure(store, JOB, 2, map(point, range(1, 5)))
    assert _steps(history, 2) == [1, 2, 3, 4]


def test_points_are_by_step_and_training_comes_before_validation(
    history: History, store: Counted
) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, [point(1), point(2), point(2, "val"), point(3)])
    begin(store, JOB, 2, step=2, of=1)
    measure(store, JOB, 2, [point(2, "val"), point(3), point(3, "val")])
    seen = [(found.step, found.split) for found in history.metrics(JOB, 2)]
    assert seen == [(1, "train"), (2, "train"), (2, "val"), (3, "train"), (3, "val")]


def test_a_question_is_answered_for_what_it_asks(history: History, store: Counted) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, [point(1), point(2), point(2, "val"), point(3)])
    seen = history.metrics(JOB, 1, since_step=2)
    assert [(found.step, found.split) for found in seen] == [
        (2, "train"),
        (2, "val"),
        (3, "train"),
    ]
    assert history.metrics(JOB, 1, split="val") == [point(2, "val")]


def test_watching_a_long_job_fetches_its_newest_chunk_alone(
    history: History, store: Counted
) -> None:
    begin(store, JOB, 1)
    steps = 2 * CHUNK_RECORDS + 10
    measure(store, JOB, 1, map(point, range(1, steps + 1)))
    assert _steps(history, 1) == list(range(1, steps + 1))
    store.gets.clear()
    assert [p.step for p in history.metrics(JOB, 1, since_step=steps)] == [steps]
    assert store.gets == {f"{layout.metrics(JOB, 1)}/000002.jsonl": 1}
    store.gets.clear()
    assert history.newest_points(JOB, 1)[-1].step == steps
    assert store.gets == {f"{layout.metrics(JOB, 1)}/000002.jsonl": 1}


def test_a_chunk_that_was_just_closed_loses_nothing(history: History, store: Counted) -> None:
    begin(store, JOB, 1)
    writer = JournalWriter(store, layout.metrics(JOB, 1))
    records = [point(step).model_dump(mode="json") for step in range(1, CHUNK_RECORDS + 3)]
    writer.append(records[:-4])
    for record in records[-4:]:
        writer.append([record])
        assert _steps(history, 1)[-1] == record["step"]
    assert _steps(history, 1) == list(range(1, CHUNK_RECORDS + 3))


def test_what_is_kept_in_memory_is_bounded(tmp_path: Path) -> None:
    store = Counted(tmp_path)
    for name in "abc":
        store.put(name, b"x" * 10)
    kept = Kept(store, limit_bytes=20)
    for name in "abcbca":
        assert kept.get(name, final=lambda _: True) == b"x" * 10
    assert store.gets == {"a": 2, "b": 1, "c": 1}


def test_what_may_still_grow_is_read_again(tmp_path: Path) -> None:
    store = Counted(tmp_path)
    kept = Kept(store)
    for body in (b"a", b"ab", b"abc"):
        store.put("key", body)
        assert kept.get("key", final=lambda _: False) == body


def test_many_may_read_at_once(history: History, store: Counted) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, CHUNK_RECORDS + 11)))
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: _steps(history, 1)[-1], range(16)))
    assert set(seen) == {CHUNK_RECORDS + 10}


def test_of_a_long_run_only_chunks_that_can_have_the_steps_are_read(
    store: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (journal, chunks):
        monkeypatch.setattr(module, "CHUNK_RECORDS", 10)
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 1005)))  # 100 closed chunks, and one that is not
    history = History(store)

    def read(since: int) -> int:
        """How many chunks are fetched for the points since a step."""
        history._kept.limit_bytes = 0
        store.gets.clear()
        steps = [found.step for found in history.metrics(JOB, 1, since_step=since)]
        assert steps == list(range(max(1, since), 1005))
        return sum(count for key, count in store.gets.items() if "/metrics/" in key)

    assert read(995) <= 18  # of a history that knows nothing
    assert read(1000) == 2
    assert read(1001) == 1
    assert read(990) <= 8
    assert read(1) == 101
    assert read(1004) == 1


def test_an_attempt_that_ended_before_the_step_is_not_read(store: Counted) -> None:
    begin(store, JOB, 1)
    measure(store, JOB, 1, map(point, range(1, 80)))
    begin(store, JOB, 2, step=50, of=1)
    measure(store, JOB, 2, map(point, range(51, 70)))
    found = History(store).metrics(JOB, 2, since_step=51)
    assert [one.step for one in found] == list(range(51, 70))
    assert not [key for key in store.gets if key.startswith(layout.metrics(JOB, 1))]


@pytest.mark.parametrize("since", [0, 1, 9, 10, 11, 35, 99, 100, 101, 10_000])
def test_since_a_step_is_what_all_of_them_have_from_there(
    since: int, store: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (journal, chunks):
        monkeypatch.setattr(module, "CHUNK_RECORDS", 10)
    begin(store, JOB, 1)
    split = [point(step, "val") for step in range(5, 101, 5)]
    both = sorted([*map(point, range(1, 101)), *split], key=lambda one: (one.step, one.split))
    measure(store, JOB, 1, both)
    history = History(store)
    for _ in range(2):
        found = history.metrics(JOB, 1, since_step=since)
        assert [(one.step, one.split) for one in found] == [
            (one.step, one.split) for one in both if one.step >= since
        ]


def test_checkpoints_are_those_of_the_run_that_counts(
    history: History, store: Counted, tmp_path: Path
) -> None:
    begin(store, JOB, 1)
    kept = [save_checkpoint(store, JOB, 1, step, tmp_path) for step in (10, 20)]
    save_checkpoint(store, JOB, 1, 30, tmp_path)
    begin(store, JOB, 2, step=20, of=1)
    kept.append(save_checkpoint(store, JOB, 2, 25, tmp_path))
    damaged = save_checkpoint(store, JOB, 2, 26, tmp_path)
    store.put(f"{damaged}/manifest.json", b"{}")
    assert [found.prefix for found in history.checkpoints(JOB, 2)] == kept


def test_log_lines_are_by_time_and_each_writers_in_its_own_order(
    history: History, store: Counted
) -> None:
    written = {"driver": [0, 3, 2], "0": [1, 2], "1": [2]}
    for rank, seconds in written.items():
        JournalWriter(store, layout.logs(JOB, 1, rank)).append(
            LogLine(
                time=NOW + timedelta(seconds=s), level="info", rank=rank, message=f"{rank}-{n}"
            ).model_dump(mode="json")
            for n, s in enumerate(seconds)
        )
    seen = [line.message for line in history.logs(JOB, 1)]
    assert seen[:2] == ["driver-0", "0-0"]
    for rank, seconds in written.items():
        mine = [message for message in seen if message.startswith(rank + "-")]
        assert mine == [f"{rank}-{n}" for n in range(len(seconds))]
