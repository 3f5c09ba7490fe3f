"""Promises of the queue in the database: whose turn it is, and who has waited for too long."""

from dataclasses import replace
from datetime import timedelta

from service.jobs.store import JobStore
from service.lifecycle import State, advance
from tests.jobs.keeping import in_state
from tests.jobs.making import NOW, job
from trainer.contract.reasons import Code, reason

LATER = NOW + timedelta(seconds=1)
LOST = reason(Code.WORKER_LOST, "A worker was killed.")


def test_a_projects_line_is_by_priority_and_then_by_age(store: JobStore) -> None:
    for number, priority in enumerate([0, 5, -1, 5, 0], start=1):
        in_state(store, State.QUEUED, number, priority=priority)
    in_state(store, State.RUNNING, 6, priority=9)
    store.insert(replace(job(7), project="another"))
    whole = store.line("default", now=NOW, limit=9)
    assert [found.id[-1] for found in whole] == ["2", "4", "1", "5", "3"]
    for place in range(5):
        rest = store.line("default", now=NOW, limit=2, after=whole[place])
        assert rest == whole[place + 1 : place + 3]


def test_waiting_for_an_hour_is_worth_a_step_of_priority(store: JobStore) -> None:
    urgent = replace(job(2, priority=1), created_at=NOW + timedelta(minutes=59))
    late = replace(job(3, priority=1), created_at=NOW + timedelta(minutes=61))
    for one in (job(1), urgent, late):
        store.insert(one)
    line = store.line("default", now=NOW, limit=9)
    assert [found.id for found in line] == [urgent.id, job(1).id, late.id]


def test_a_retry_stands_in_line_when_its_time_has_come(store: JobStore) -> None:
    running = in_state(store, State.RUNNING)
    waits = replace(running, not_before=LATER)
    kept = store.save(advance(waits, State.QUEUED, at=NOW, reason=LOST), was=running)
    assert store.line("default", now=NOW, limit=9) == []
    assert store.heads(now=NOW) == {}
    assert store.line("default", now=LATER, limit=9) == [kept]
    assert store.heads(now=LATER) == {"default": NOW.timestamp()}


def test_each_project_that_waits_is_known_by_its_first_turn(store: JobStore) -> None:
    for number, (project, priority) in enumerate([("a", 0), ("a", 2), ("b", 1)], start=1):
        store.insert(replace(job(number, priority=priority), project=project))
    in_state(store, State.RUNNING, 4)
    first = NOW.timestamp()
    assert store.heads(now=NOW) == {"a": first - 7200, "b": first - 3600}


def test_a_job_that_waited_for_too_long_is_found_while_it_is_queued(store: JobStore) -> None:
    patient, short = (
        in_state(store, State.QUEUED, 1),
        in_state(store, State.QUEUED, 2, max_pending=1),
    )
    in_state(store, State.STARTING, 3, max_pending=1)
    assert store.pending_too_long(NOW, limit=9) == []
    assert store.pending_too_long(LATER, limit=9) == [short]
    assert patient.spec.max_pending is None
