from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from service.db.tables import JobRow
from service.errors import AlreadyTaken, Conflict
from service.jobs.store import Claim, Filter, Held, JobStore, Trash
from service.lifecycle import HOLDING, Job, Progress, Result, State, advance
from tests.jobs.keeping import in_state
from tests.jobs.making import NOW, WHY, evaluated, job, point
from trainer.contract.attempts import Best
from trainer.contract.reasons import Code, reason
from trainer.contract.spec import ResolvedSpec

LATER = NOW + timedelta(seconds=1)
LOST = reason(Code.WORKER_LOST, "A worker was killed.")


def test_a_job_is_read_as_it_was_written(store: JobStore) -> None:
    kept = replace(
        job(labels={"team": "vision"}, name="Überraschung \0", register_as="digits", priority=-3),
        reason=LOST,
        retries=2,
        progress=Progress(1, 2, 3, 4, 5.5, None),
        result=Result(point(4, "val"), Best(attempt=1, step=4, metrics=point(4, "val"))),
        started_at=LATER,
        ended_at=LATER,
    )
    store.insert(kept)
    assert store.get("default", kept.id) == kept


def test_an_evaluation_is_read_as_it_was_written(store: JobStore) -> None:
    kept = replace(
        job(kind="evaluate", protocol="10-crop", labels={"team": "vision"}),
        result=Result(evaluation=evaluated("10-crop")),
    )
    store.insert(kept, Claim("key", "body"))
    assert store.get("default", kept.id) == kept
    claimed = store.claimed("default", "key", since=NOW)
    assert claimed is not None
    assert claimed.job == kept
    store.insert(job(2))
    assert store.page("default", Filter(kind="evaluate"), limit=9, cursor=None).items == (kept,)


OLDER_SPEC = {
    **{"kind": "train", "arch": "resnet20", "depth": 20, "family": "cifar", "shortcut": "A"},
    **{"stride": "v1", "dataset": "digits", "classes": 10, "input_size": 32, "epochs": 30},
    **{"iterations": 330, "steps_per_epoch": 11, "batch_size": 128, "per_worker_batch": 128},
    **{"accumulation": 1, "workers": 1, "cpus_per_worker": 1.0, "gpus_per_worker": 0.0},
    **{"seed": 0, "max_retries": 3, "checkpoint_steps": 11, "priority": 0, "name": None},
    **{"labels": {}, "register_as": None},
    "recipe": {
        **{"name": "default", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0001},
        **{"milestones": [0.5, 0.75], "gamma": 0.1, "warmup_epochs": 1.0, "crop_padding": 4},
        **{"flip": False, "precision": "auto", "channels_last": True},
    },
}
"""As a service wrote it that knew trainings only."""


def test_a_job_of_an_older_service_is_still_read(store: JobStore) -> None:
    made, val = job(), point(4, "val")
    store.insert(replace(made, result=Result(val, Best(attempt=1, step=4, metrics=val))))
    with store.engine.begin() as connection:
        row = connection.execute(select(JobRow.result)).scalar_one()
        older = {"spec": OLDER_SPEC, "result": {key: row[key] for key in ("final", "best")}}
        connection.execute(update(JobRow).values(older))
    read = store.get("default", made.id)
    assert read is not None
    assert isinstance(read.spec, ResolvedSpec)
    assert read.spec.network.name == "resnet20"
    assert read.result == Result(val, Best(attempt=1, step=4, metrics=val))


def test_another_projects_job_is_not_there(store: JobStore) -> None:
    store.insert(job())
    assert store.get("another", job().id) is None


def test_a_change_of_state_is_kept_with_its_event_and_its_attempt(store: JobStore) -> None:
    queued = replace(job(), reason=WHY)
    store.insert(queued)
    starting = store.save(advance(queued, State.STARTING, at=LATER, reason=WHY), was=queued)
    store.save(advance(starting, State.QUEUED, at=LATER, reason=LOST), was=starting)
    seen = [(e.at, e.from_state, e.to_state, e.reason, e.attempt) for e in store.events(queued.id)]
    assert seen == [
        (NOW, None, State.QUEUED, WHY, 0),
        (LATER, State.QUEUED, State.STARTING, WHY, 1),
        (LATER, State.STARTING, State.QUEUED, LOST, 1),
    ]


@pytest.mark.parametrize("moved", [{"state": State.STARTING, "attempt": 1}, {"retries": 1}])
def test_a_job_that_moved_meanwhile_is_not_overwritten(
    store: JobStore, moved: dict[str, object]
) -> None:
    queued = job()
    store.insert(queued)
    now = store.save(replace(queued, **moved), was=queued)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="no longer queued"):
        store.save(advance(queued, State.CANCELLING, at=LATER, reason=WHY), was=queued)
    assert store.get("default", queued.id) == now
    assert len(store.events(queued.id)) == 2


def test_of_many_changes_at_once_one_happens(store: JobStore) -> None:
    queued = job()
    store.insert(queued)

    def change(to: State) -> bool:
        try:
            store.save(advance(queued, to, at=LATER, reason=WHY), was=queued)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(change, [State.STARTING, State.CANCELLING] * 4))
    assert sum(done) == 1
    assert len(store.events(queued.id)) == 2


def test_a_page_is_newest_first_and_its_cursor_leads_to_all_the_others(store: JobStore) -> None:
    for number in range(1, 6):
        store.insert(job(number))
    seen: list[Job] = []
    cursor = None
    for size in (2, 2, 1):
        page = store.page("default", Filter(), limit=2, cursor=cursor)
        assert len(page.items) == size
        seen, cursor = [*seen, *page.items], page.next_cursor
    assert seen == [job(number) for number in (5, 4, 3, 2, 1)]
    assert cursor is None


def test_a_page_holds_what_the_filter_names(store: JobStore) -> None:
    red = in_state(store, State.RUNNING, 1, labels={"colour": "red", "team": "a"})
    blue = in_state(store, State.RUNNING, 2, labels={"colour": "blue", "team": "red"})
    waiting = in_state(store, State.QUEUED, 3, labels={"colour": "red"})

    def ids(wanted: Filter, project: str = "default") -> list[str]:
        return [found.id for found in store.page(project, wanted, limit=9, cursor=None).items]

    assert ids(Filter(label=("colour", "red"))) == [waiting.id, red.id]
    assert ids(Filter(state=State.RUNNING)) == [blue.id, red.id]
    assert ids(Filter(State.RUNNING, "train", ("colour", "red"))) == [red.id]
    assert ids(Filter(kind="sweep")) == []
    assert ids(Filter(), "another") == []


@pytest.mark.parametrize("state", [State.PAUSING, State.CANCELLING])
def test_an_attempt_of_before_a_resume_is_not_taken_for_one_that_runs(
    store: JobStore, state: State
) -> None:
    ended = in_state(store, State.FAILED)
    queued = store.save(advance(ended, State.QUEUED, at=LATER, reason=WHY), was=ended)
    asked = store.save(advance(queued, state, at=LATER, reason=WHY), was=queued)
    assert store.holding() == [Held(asked, submitted=False, attempted=False)]


def test_a_deleted_job_is_gone_and_its_objects_are_left_to_be_swept(store: JobStore) -> None:
    ended = in_state(store, State.FAILED, labels={"team": "a"})
    store.insert(job(2))
    store.delete(ended, at=LATER)
    assert store.get("default", ended.id) is None
    assert store.events(ended.id) == []
    assert store.trash(NOW, limit=9) == []
    assert store.trash(LATER, limit=9) == [Trash(ended.id, LATER)]
    store.swept(ended.id, again_at=LATER + timedelta(minutes=1))
    assert store.trash(LATER, limit=9) == []
    store.swept(ended.id, again_at=None)
    assert store.trash(LATER + timedelta(days=1), limit=9) == []
    with pytest.raises(Conflict):
        store.delete(ended, at=LATER)
    assert store.get("default", job(2).id) == job(2)


def test_what_somebody_changes_is_kept_unless_the_job_moved_meanwhile(store: JobStore) -> None:
    queued = in_state(store, State.QUEUED, labels={"team": "a"})
    spec = queued.spec.model_copy(update={"priority": 7, "name": "new", "labels": {"team": "b"}})
    kept = store.amend(replace(queued, spec=spec), was=queued)
    assert store.get("default", queued.id) == kept
    assert (kept.spec, kept.state, kept.revision) == (spec, State.QUEUED, 1)
    found = store.page("default", Filter(label=("team", "b")), limit=9, cursor=None)
    assert found.items == (kept,)
    assert store.heads(now=NOW) == {"default": NOW.timestamp() - 7 * 3600}
    assert len(store.events(queued.id)) == 1
    with pytest.raises(Conflict):
        store.amend(replace(queued, spec=spec), was=queued)


def test_the_reconciler_sees_the_jobs_that_may_hold_resources(store: JobStore) -> None:
    by_state = {state: in_state(store, state, number) for number, state in enumerate(State)}
    assert store.mark_submitted(by_state[State.RUNNING], at=LATER)
    assert store.holding() == [
        Held(found, submitted=state is State.RUNNING)
        for state, found in by_state.items()
        if state in HOLDING
    ]


def test_a_cancelled_job_that_never_had_an_attempt_is_seen_too(store: JobStore) -> None:
    queued = job()
    store.insert(queued)
    cancelling = advance(queued, State.CANCELLING, at=LATER, reason=WHY)
    kept = store.save(cancelling, was=queued)
    assert store.holding() == [Held(kept, submitted=False, attempted=False)]


@pytest.mark.parametrize("state", [State.QUEUED, State.CANCELLED, State.SUCCEEDED, State.FAILED])
def test_a_submission_for_a_job_that_does_not_want_it_is_told(
    store: JobStore, state: State
) -> None:
    assert not store.mark_submitted(in_state(store, state), at=LATER)


def test_a_submission_for_an_older_attempt_is_told(store: JobStore) -> None:
    first = in_state(store, State.STARTING)
    queued = store.save(advance(first, State.QUEUED, at=LATER, reason=WHY), was=first)
    store.save(advance(queued, State.STARTING, at=LATER, reason=WHY), was=queued)
    assert not store.mark_submitted(first, at=LATER)
    assert not store.holding()[0].submitted


def test_only_queued_jobs_are_told_what_they_wait_for(store: JobStore) -> None:
    waiting, running = in_state(store, State.QUEUED, 1), in_state(store, State.RUNNING, 2)
    store.set_reasons({waiting.id: LOST, running.id: LOST})
    assert store.get("default", waiting.id) == replace(waiting, reason=LOST)
    assert store.get("default", running.id) == running
    assert len(store.events(waiting.id)) == 1


def test_progress_of_an_attempt_that_is_over_is_not_written(store: JobStore) -> None:
    progress = Progress(1, 2, 3, 4, None, None)
    running = in_state(store, State.RUNNING)
    store.set_progress(running, progress)
    assert store.get("default", running.id) == replace(running, progress=progress)
    ended = store.save(advance(running, State.FAILED, at=LATER, reason=WHY), was=running)
    store.set_progress(running, progress)
    assert store.get("default", running.id) == ended


def test_a_key_in_use_keeps_a_second_job_out_altogether(store: JobStore) -> None:
    claim = Claim("key", "0" * 64)
    store.insert(job(1), claim)
    with pytest.raises(AlreadyTaken):
        store.insert(job(2), claim)
    assert store.get("default", job(2).id) is None
    assert store.events(job(2).id) == []


def test_a_claim_is_the_job_as_it_was_first_answered(store: JobStore) -> None:
    first = replace(job(labels={"a": "b"}), reason=LOST)
    store.insert(first, Claim("key", "0" * 64))
    store.save(advance(first, State.STARTING, at=LATER, reason=WHY), was=first)
    claimed = store.claimed("default", "key", since=NOW)
    assert claimed is not None
    assert (claimed.job, claimed.body_sha256) == (first, "0" * 64)
    assert store.claimed("another", "key", since=NOW) is None
    assert store.claimed("default", "key", since=LATER) is None


def test_old_claims_are_forgotten_and_younger_ones_are_not(store: JobStore) -> None:
    for number, age in enumerate([0, 1, 2], start=1):
        made = replace(job(number), created_at=NOW + timedelta(seconds=age))
        store.insert(made, Claim(f"key-{number}", ""))
    store.forget_claims(NOW + timedelta(seconds=2), of=("default", "key-1"))
    assert store.claimed("default", "key-1", since=NOW) is None
    assert store.claimed("default", "key-2", since=NOW) is not None
    store.forget_claims(NOW + timedelta(seconds=2))
    assert store.claimed("default", "key-2", since=NOW) is None
    assert store.claimed("default", "key-3", since=NOW) is not None
