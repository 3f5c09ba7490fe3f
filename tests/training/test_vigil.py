"""An attempt's process shows that it lives, and hears what the service wishes of it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.training.small_runs import JOB, now
from tests.waiting import until
from trainer.contract import attempts, layout
from trainer.contract.attempts import Halt, Heartbeat, Outcome
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import ObjectStore, StoreUnavailable
from trainer.contract.reasons import Code, reason
from trainer.training.endings import Fenced, Halted
from trainer.training.vigil import Keeper, Vigil, kept

WHY = reason(Code.PAUSED_BY_USER, "Somebody asked for it.")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def vigil(store: ObjectStore) -> Vigil:
    return Vigil(store, JOB, 1, "0", now)


def sign(store: LocalStore) -> Heartbeat | None:
    return attempts.read(store, layout.heartbeat(JOB, 1, "0"), Heartbeat)


def ask_to_halt(store: LocalStore) -> None:
    halt = Halt(job_id=JOB, attempt=1, reason=WHY, at=now())
    store.create(layout.halt(JOB, 1), halt.model_dump_json().encode())


def close(store: LocalStore) -> None:
    given_up = Outcome(job_id=JOB, attempt=1, status="given_up", at=now())
    attempts.commit_outcome(store, given_up)


def test_no_sign_of_life_is_like_the_one_before(store: LocalStore) -> None:
    watch, seen = vigil(store), []
    for _ in range(3):
        watch.beat()
        seen.append(sign(store))
    assert [each.number for each in seen if each] == [1, 2, 3]


def test_a_sign_of_life_says_how_far_the_worker_is(store: LocalStore) -> None:
    watch = vigil(store)
    watch.step = 12
    watch.beat()
    found = sign(store)
    assert found is not None
    assert (found.step, found.ended) == (12, False)


def test_signs_come_from_the_beginning_on_and_the_last_one_says_so(store: LocalStore) -> None:
    with kept(vigil(store), looks=False):
        first = until(lambda: sign(store), within_s=5)
        assert not first.ended
    last = sign(store)
    assert last is not None
    assert last.ended
    assert last.number > first.number


def test_the_last_sign_comes_when_the_attempt_fails_too(store: LocalStore) -> None:
    with pytest.raises(ValueError, match="a bug"), kept(vigil(store), looks=True):
        raise ValueError("a bug")
    last = sign(store)
    assert last is not None
    assert last.ended


@dataclass(frozen=True)
class Away(LocalStore):
    """A store that does not answer the first few times."""

    refused: list[str] = field(default_factory=list)

    def put(self, key: str, data: bytes) -> None:
        if len(self.refused) < 3:
            self.refused.append(key)
            raise StoreUnavailable("away")
        super().put(key, data)


def test_a_store_that_is_away_only_delays_the_signs(tmp_path: Path) -> None:
    store = Away(tmp_path)
    keeper = Keeper(vigil(store), looks=False, beat_every_s=0.01)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    found = until(lambda: sign(store), within_s=5)
    keeper.ending.set()
    thread.join()
    assert len(store.refused) == 3
    assert found.number > 3


def test_the_wish_to_end_is_heard_while_the_worker_works(store: LocalStore) -> None:
    watch = vigil(store)
    keeper = Keeper(watch, looks=True, beat_every_s=0.01)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    watch.interrupt()
    ask_to_halt(store)
    until(lambda: watch.halt, within_s=5)
    keeper.ending.set()
    thread.join()
    watch.check()
    with pytest.raises(Halted) as halted:
        watch.interrupt()
    assert halted.value.reason == WHY


def test_a_worker_whose_attempt_was_closed_is_told(store: LocalStore) -> None:
    watch = vigil(store)
    watch.look()
    watch.check()
    close(store)
    watch.look()
    with pytest.raises(Fenced, match="attempt 1 of job-a was closed as given_up"):
        watch.check()
    with pytest.raises(Fenced):
        watch.interrupt()


def test_a_worker_that_waits_for_another_for_ever_is_killed_when_its_attempt_is_closed(
    store: LocalStore,
) -> None:
    close(store)
    killed = threading.Event()
    keeper = Keeper(vigil(store), looks=True, beat_every_s=0.01, closed_grace_s=0, kill=killed.set)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    until(killed.is_set, within_s=5)
    keeper.ending.set()
    thread.join()


def test_a_worker_that_ends_by_itself_is_not_killed(store: LocalStore) -> None:
    close(store)
    killed, watch = threading.Event(), vigil(store)
    keeper = Keeper(watch, looks=True, beat_every_s=0.01, closed_grace_s=60, kill=killed.set)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    until(lambda: watch.closed, within_s=5)
    keeper.ending.set()
    thread.join(5)
    assert not thread.is_alive()
    assert not killed.is_set()
