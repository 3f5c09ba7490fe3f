"""What the sender promises: at least once, in order, for a day, and without holding anybody up."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import Engine

from service.db.engine import connect
from service.webhooks.outbox import Outbox
from service.webhooks.sender import AT_ONCE, WAITS, Sender
from service.webhooks.store import WebhookStore
from tests.jobs.making import Clock
from tests.waiting import until
from tests.webhooks.making import queued, started, webhook
from tests.webhooks.receiver import Receiver, Say, messenger

DIES_AFTER_THE_CHANGE = """
import os, signal, sys
from service.db.engine import connect
from tests.webhooks.making import queued

queued(connect(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def senders() -> Iterator[list[Sender]]:
    """Those of a test, which are waited for at its end."""
    made: list[Sender] = []
    yield made
    for sender in made:
        sender.wait()


def sender(engine: Engine, clock: Clock, *receivers: Receiver) -> Sender:
    return Sender(Outbox(engine), messenger(*receivers, clock=clock), clock)


def send(by: Sender) -> None:
    """A tick, until all that it began is done."""
    by.tick()
    by.wait()


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Which job came into which state, as the receiver was told."""
    return [(got.data["job"], got.data["to"]) for got in receiver.got]


def test_a_change_reaches_the_receiver_once(
    engine: Engine, clock: Clock, receiver: Receiver
) -> None:
    webhook(engine, url=receiver.url)
    queued(engine)
    ours = sender(engine, clock, receiver)
    send(ours)
    clock.turn(3600)
    send(ours)
    assert told(receiver) == [("job-00001", "queued")]
    assert WebhookStore(engine).last_tried("default")["webhook-1"].delivered_at == clock.now - (
        timedelta(hours=1)
    )


def test_what_a_receiver_fails_to_take_is_sent_again_later_under_the_same_id(
    engine: Engine, clock: Clock, receiver: Receiver
) -> None:
    webhook(engine, url=receiver.url)
    queued(engine)
    receiver.says = [Say(500, b"not now")]
    ours = sender(engine, clock, receiver)
    send(ours)
    assert WebhookStore(engine).last_tried("default")["webhook-1"].error == "answered 500: not now"
    clock.turn(4)
    send(ours)
    assert len(receiver.got) == 1
    clock.turn(1)
    send(ours)
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    tried = WebhookStore(engine).last_tried("default")["webhook-1"]
    assert (tried.tries, tried.error, tried.next_at) == (2, None, None)


def test_a_receiver_that_never_takes_it_is_left_alone_after_a_day(
    sqlite: Engine, clock: Clock, receiver: Receiver
) -> None:
    webhook(sqlite, url=receiver.url)
    queued(sqlite)
    receiver.says = [Say(503)] * 100
    ours, began = sender(sqlite, clock, receiver), clock.now
    send(ours)
    for wait in WAITS:
        clock.now += wait
        send(ours)
    assert len(receiver.got) == 1 + len(WAITS)
    assert timedelta(hours=24) <= clock.now - began < timedelta(hours=25)
    clock.turn(100 * 3600)
    send(ours)
    assert len(receiver.got) == 1 + len(WAITS)
    tried = WebhookStore(sqlite).last_tried("default")["webhook-1"]
    assert (tried.delivered_at, tried.next_at, tried.error) == (None, None, "answered 503")


def test_of_one_job_the_changes_arrive_in_order_also_when_one_has_to_be_sent_again(
    sqlite: Engine, clock: Clock, receiver: Receiver
) -> None:
    webhook(sqlite, url=receiver.url)
    started(sqlite, queued(sqlite, 1))
    queued(sqlite, 2)
    receiver.says = [Say(500)]
    ours = sender(sqlite, clock, receiver)
    for _ in range(3):
        send(ours)
    assert told(receiver) == [("job-00001", "queued"), ("job-00002", "queued")]
    clock.turn(5)
    for _ in range(2):
        send(ours)
    assert told(receiver)[2:] == [("job-00001", "queued"), ("job-00001", "starting")]


def test_a_receiver_that_hangs_holds_up_neither_the_tick_nor_other_receivers(
    sqlite: Engine, clock: Clock, receiver: Receiver, other: Receiver, senders: list[Sender]
) -> None:
    receiver.silent = True
    webhook(sqlite, "webhook-1", url=receiver.url)
    webhook(sqlite, "webhook-2", url=other.url)
    queued(sqlite)
    ours = sender(sqlite, clock, receiver, other)
    senders.append(ours)
    began = monotonic()
    ours.tick()
    until(lambda: receiver.got and other.got, within_s=10)
    started(sqlite, queued(sqlite, 2))
    ours.tick()
    until(lambda: len(other.got) == 2, within_s=10)
    assert len(receiver.got) == 1  # no second thread waits for it
    assert monotonic() - began < ours.messenger.timeout_s
    receiver.over.set()


def test_receivers_that_hang_take_turns_with_those_that_do_not(
    sqlite: Engine, clock: Clock, receiver: Receiver, other: Receiver
) -> None:
    receiver.silent = True
    for number in range(AT_ONCE):
        webhook(sqlite, f"webhook-{number}", url=receiver.url, project="theirs")
    webhook(sqlite, "webhook-ours", url=other.url)
    for number in range(1, 4):
        queued(sqlite, number, project="theirs")
    clock.turn(1)
    queued(sqlite, 4, at=clock.now)
    ours = Sender(Outbox(sqlite), messenger(receiver, other, clock=clock, timeout_s=1), clock)
    ours.tick()
    ours.tick()  # while they hang
    ours.wait()
    assert len(receiver.got) >= AT_ONCE
    send(ours)
    assert len(other.got) == 1


def test_what_a_program_did_not_send_before_it_was_killed_the_next_one_sends(
    sqlite: Engine, clock: Clock, receiver: Receiver
) -> None:
    webhook(sqlite, url=receiver.url)
    url = sqlite.url.render_as_string()
    died = subprocess.run([sys.executable, "-c", DIES_AFTER_THE_CHANGE, url], check=False)
    assert died.returncode == -signal.SIGKILL
    send(sender(sqlite, clock, receiver))
    assert told(receiver) == [("job-00001", "queued")]


def test_what_was_sent_but_not_noted_is_sent_again_under_the_same_id(
    sqlite: Engine, clock: Clock, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook(sqlite, url=receiver.url)
    queued(sqlite)
    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "taken", lambda *_, **__: None)
        send(sender(sqlite, clock, receiver))
    send(sender(sqlite, clock, receiver))
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_a_database_that_is_away_ends_no_later_turn(
    sqlite: Engine, clock: Clock, receiver: Receiver
) -> None:
    webhook(sqlite, url=receiver.url)
    queued(sqlite)
    ours = sender(sqlite, clock, receiver)
    ours.outbox = Outbox(connect("sqlite:////nowhere/at/all.db"))
    ours._turn("webhook-1")
    ours.outbox = Outbox(sqlite)
    send(ours)
    assert len(receiver.got) == 1
