"""What the outbox promises: a message for each change and webhook that wants it, and no other."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, text

from service.db.tables import DeliveryRow, WebhookRow
from service.errors import Conflict
from service.jobs.store import JobStore
from service.lifecycle import State, advance
from service.webhooks.outbox import Outbox
from service.webhooks.store import WebhookStore
from tests.jobs.making import NOW
from tests.waiting import until
from tests.webhooks.making import STARTS, WAITS, queued, started, webhook

SOON = NOW + timedelta(seconds=1)


def messages(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    """All that is kept: the webhook, and what it is told."""
    kept = select(DeliveryRow.webhook_id, DeliveryRow.message).order_by(DeliveryRow.id)
    with engine.connect() as connection:
        return [(row.webhook_id, row.message) for row in connection.execute(kept)]


def test_each_change_is_kept_with_what_a_receiver_is_told(engine: Engine) -> None:
    webhook(engine)
    job = queued(engine)
    started(engine, job, at=SOON)
    made, moved = (message for _, message in messages(engine))
    assert made == {
        "type": "job.queued",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {
            "job": job.id,
            "from": None,
            "to": "queued",
            "reason": WAITS.model_dump(mode="json"),
            "attempt": 0,
        },
    }
    assert (moved["type"], moved["timestamp"]) == ("job.starting", "2026-01-01T00:00:01Z")
    assert moved["data"] == {
        "job": job.id,
        "from": "queued",
        "to": "starting",
        "reason": STARTS.model_dump(mode="json"),
        "attempt": 1,
    }


def test_a_change_that_is_not_kept_is_not_told(engine: Engine) -> None:
    webhook(engine)
    job = queued(engine)
    outdated = replace(job, revision=7)
    moved = advance(outdated, State.STARTING, at=SOON, reason=STARTS)
    with pytest.raises(Conflict):
        JobStore(engine).save(moved, was=outdated)
    assert len(messages(engine)) == 1


def test_a_webhook_is_told_of_its_project_s_jobs_and_of_the_states_it_wants(
    engine: Engine,
) -> None:
    webhook(engine, "webhook-all")
    webhook(engine, "webhook-some", states=(State.STARTING, State.FAILED))
    webhook(engine, "webhook-theirs", project="theirs")
    started(engine, queued(engine))
    told = [(name, message["data"]["to"]) for name, message in messages(engine)]
    assert sorted(told) == [
        ("webhook-all", "queued"),
        ("webhook-all", "starting"),
        ("webhook-some", "starting"),
    ]


def test_without_a_webhook_nothing_is_kept(engine: Engine) -> None:
    started(engine, queued(engine))
    assert messages(engine) == []


def test_a_deleted_webhook_takes_its_messages_along(engine: Engine) -> None:
    webhook(engine)
    queued(engine)
    assert not WebhookStore(engine).delete("theirs", "webhook-1")
    assert WebhookStore(engine).delete("default", "webhook-1")
    assert messages(engine) == []


def test_of_one_job_the_later_message_waits_for_the_earlier_one(engine: Engine) -> None:
    outbox = Outbox(engine)
    webhook(engine)
    started(engine, queued(engine, 1))
    queued(engine, 2)
    (first, other) = outbox.due("webhook-1", SOON, limit=10)
    assert [d.message["data"]["job"] for d in (first, other)] == ["job-00001", "job-00002"]
    outbox.failed(first, "answered 500", next_at=SOON + timedelta(seconds=5))
    outbox.taken(other, at=SOON)
    assert outbox.due("webhook-1", SOON, limit=10) == []
    assert outbox.webhooks_due(SOON) == []
    later = SOON + timedelta(seconds=5)
    (again,) = outbox.due("webhook-1", later, limit=10)
    assert (again.id, again.tries) == (first.id, 1)
    outbox.failed(again, "answered 500", next_at=None)
    (following,) = outbox.due("webhook-1", later, limit=10)
    assert following.message["data"]["to"] == "starting"


def test_what_waits_longest_comes_first(engine: Engine) -> None:
    for name, project in (("webhook-a", "later"), ("webhook-b", "sooner")):
        webhook(engine, name, project=project)
    queued(engine, 1, at=SOON, project="later")
    queued(engine, 2, at=NOW, project="sooner")
    assert Outbox(engine).webhooks_due(SOON) == ["webhook-b", "webhook-a"]
    assert Outbox(engine).webhooks_due(NOW) == ["webhook-b"]


def test_only_what_is_done_is_forgotten(engine: Engine) -> None:
    outbox = Outbox(engine)
    webhook(engine)
    for number in (1, 2, 3):
        queued(engine, number, at=NOW)
    queued(engine, 4, at=SOON)
    taken, given_up, _, recent = outbox.due("webhook-1", SOON, limit=10)
    outbox.taken(taken, at=SOON)
    outbox.failed(given_up, "answered 500", next_at=None)
    outbox.taken(recent, at=SOON)
    outbox.forget(SOON)
    left = [message["data"]["job"] for _, message in messages(engine)]
    assert left == ["job-00003", "job-00004"]


def test_the_last_message_that_was_tried_is_shown(engine: Engine) -> None:
    outbox, store = Outbox(engine), WebhookStore(engine)
    webhook(engine)
    started(engine, queued(engine))
    assert store.last_tried("default") == {}
    (first,) = outbox.due("webhook-1", SOON, limit=10)
    outbox.failed(first, "answered 500", next_at=SOON)
    tried = store.last_tried("default")["webhook-1"]
    assert (tried.tries, tried.error, tried.next_at) == (1, "answered 500", SOON)
    (again,) = outbox.due("webhook-1", SOON, limit=10)
    outbox.taken(again, at=SOON)
    tried = store.last_tried("default")["webhook-1"]
    assert (tried.tries, tried.error, tried.delivered_at) == (2, None, SOON)
    assert store.last_tried("theirs") == {}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_change_is_kept_although_a_webhook_is_deleted_at_the_same_moment(engine: Engine) -> None:
    webhook(engine)
    job = queued(engine)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as pool, engine.connect() as look:
        with engine.begin() as deleting:
            deleting.execute(delete(WebhookRow).where(WebhookRow.id == "webhook-1"))
            saved = pool.submit(started, engine, job)
            until(lambda: look.execute(waiting).scalar_one(), within_s=10)
        assert saved.result().state is State.STARTING
    assert messages(engine) == []
