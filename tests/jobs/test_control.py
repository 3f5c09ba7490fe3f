"""What a request makes of a job, in every state it can be in."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.errors import IllegalTransition, Invalid
from service.jobs import control
from service.jobs.control import More
from service.lifecycle import HOLDING, LIVE, NEXT, RESUMABLE, TERMINAL, Job, Progress, State
from tests.jobs.making import NOW, job
from trainer.contract.reasons import Code
from trainer.contract.spec import ResolvedSpec

LATER = NOW + timedelta(minutes=1)


def in_state(state: State, **fields: Any) -> Job:
    return job(state=state, **fields)


def states(path: control.Path) -> list[State]:
    return [step.state for step in path]


def resume(was: Job, *, epochs: int | None = None, reached: int = 0) -> control.Path:
    return control.resumed(was, LATER, More(epochs=epochs), reached=lambda: reached)


@pytest.mark.parametrize("state", State)
def test_every_step_of_a_request_is_one_of_the_lifecycle(state: State) -> None:
    was = in_state(state)
    for ask in (control.cancelled, control.paused, lambda job, at: resume(job)):
        try:
            path = ask(was, LATER)
        except IllegalTransition:
            continue
        for before, after in zip((was, *path), path, strict=False):
            assert after.state in NEXT[before.state]
            assert (after.changed_at, after.attempt) == (LATER, was.attempt)
            assert after.reason is not None


@pytest.mark.parametrize("state", State)
def test_every_refusal_says_what_can_be_done(state: State) -> None:
    was, refusals = in_state(state), []
    asks = (
        control.cancelled,
        control.paused,
        lambda job, at: resume(job),
        lambda job, at: control.check_deletable(job, []),
    )
    for ask in asks:
        try:
            ask(was, LATER)
        except IllegalTransition as refusal:
            refusals.append(refusal.message)
    assert refusals
    in_words_for_programmers = [said for said in refusals if "cannot become" in said]
    assert not in_words_for_programmers


@pytest.mark.parametrize("state", sorted(LIVE - {State.CANCELLING}))
def test_any_live_job_can_be_cancelled(state: State) -> None:
    (asked,) = control.cancelled(in_state(state, attempt=1), LATER)
    assert asked.state is State.CANCELLING
    assert asked.reason is not None
    assert asked.reason.code is Code.CANCELLED_BY_USER


@pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED])
def test_a_job_that_never_began_is_cancelled_at_once(state: State) -> None:
    never = replace(in_state(state), attempt=0)
    assert states(control.cancelled(never, LATER)) == [State.CANCELLING, State.CANCELLED]


@pytest.mark.parametrize("attempt", [0, 3])
def test_a_queued_job_is_paused_at_once_whatever_became_of_its_attempts(attempt: int) -> None:
    path = control.paused(in_state(State.QUEUED, attempt=attempt), LATER)
    assert states(path) == [State.PAUSING, State.PAUSED]


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING])
def test_a_job_that_may_run_is_asked_to_pause(state: State) -> None:
    (asked,) = control.paused(in_state(state), LATER)
    assert asked.state is State.PAUSING
    assert asked.reason is not None
    assert asked.reason.code is Code.PAUSED_BY_USER


@pytest.mark.parametrize("state", [State.PAUSING, State.PAUSED])
def test_a_second_pause_changes_nothing(state: State) -> None:
    assert control.paused(in_state(state), LATER) == ()


@pytest.mark.parametrize("state", sorted(TERMINAL | {State.CANCELLING}))
def test_what_has_ended_or_is_about_to_cannot_be_paused(state: State) -> None:
    with pytest.raises(IllegalTransition, match="resume"):
        control.paused(in_state(state), LATER)


@pytest.mark.parametrize("state", sorted(RESUMABLE - {State.SUCCEEDED}))
def test_a_resumed_job_stands_in_line_anew_with_all_its_retries(state: State) -> None:
    was = replace(in_state(state, attempt=2), retries=3, ran_s=50.0)
    (asked,) = resume(was)
    assert (asked.state, asked.attempt, asked.retries) == (State.QUEUED, 2, 0)
    assert asked.queued_at == LATER
    assert asked.ran_s == (50.0 if state is State.PAUSED else 0.0)
    assert resume(asked) == ()


@pytest.mark.parametrize("state", sorted(HOLDING))
def test_what_may_run_cannot_be_resumed(state: State) -> None:
    with pytest.raises(IllegalTransition, match=f"is {state}"):
        resume(in_state(state))


def test_a_job_that_was_never_resumed_is_not_resumed_while_it_waits() -> None:
    with pytest.raises(IllegalTransition, match="is queued"):
        resume(in_state(State.QUEUED))


def test_a_succeeded_job_goes_on_only_to_more_epochs() -> None:
    was = in_state(State.SUCCEEDED, epochs=10)
    with pytest.raises(IllegalTransition, match="more than its 10"):
        resume(was)
    with pytest.raises(Invalid, match="at least 11") as refused:
        resume(was, epochs=10)
    assert refused.value.field == "epochs"
    (asked,) = resume(was, epochs=11)
    assert isinstance(asked.spec, ResolvedSpec)
    assert (asked.spec.epochs, asked.spec.iterations) == (11, 11 * asked.spec.steps_per_epoch)


def test_a_new_length_is_more_than_what_is_done_and_may_be_less_than_it_was() -> None:
    was = replace(
        in_state(State.PAUSED, epochs=10),
        progress=Progress(3, 10, 30, 110, images_per_second=9.0, eta_s=60.0),
    )
    assert isinstance(was.spec, ResolvedSpec)
    done = 2 * was.spec.steps_per_epoch + 1
    with pytest.raises(Invalid, match=f"goes on from step {done}.*at least 3"):
        resume(was, epochs=2, reached=done)
    (asked,) = resume(was, epochs=3, reached=done)
    assert asked.progress == Progress(
        3, 3, 30, 3 * was.spec.steps_per_epoch, images_per_second=9.0, eta_s=None
    )


def test_an_evaluation_that_did_not_succeed_starts_anew_and_has_no_epochs() -> None:
    failed, done = (in_state(state, kind="evaluate") for state in (State.FAILED, State.SUCCEEDED))
    assert states(resume(failed)) == [State.QUEUED]
    with pytest.raises(Invalid, match="Only a training has epochs"):
        resume(failed, epochs=3)
    with pytest.raises(IllegalTransition, match="submit a new job"):
        resume(done)


def test_a_second_resume_with_another_length_is_refused_while_it_waits() -> None:
    (asked,) = resume(in_state(State.PAUSED, epochs=10), epochs=20)
    assert resume(asked, epochs=20) == ()
    with pytest.raises(IllegalTransition, match="pause it first"):
        resume(asked, epochs=30)


@pytest.mark.parametrize("state", State)
def test_name_and_labels_can_always_be_changed_and_nothing_else_is(state: State) -> None:
    was = in_state(state, name="a", labels={"x": "1"}, priority=2)
    now = control.changed(was, {"name": None, "labels": {"y": "2"}})
    assert (now.spec.name, now.spec.labels, now.spec.priority) == (None, {"y": "2"}, 2)
    assert replace(now, spec=was.spec) == was


@pytest.mark.parametrize("state", State)
def test_the_priority_of_a_job_that_has_not_ended_can_be_changed(state: State) -> None:
    was = in_state(state)
    if state in LIVE:
        assert control.changed(was, {"priority": 7}).spec.priority == 7
        return
    with pytest.raises(IllegalTransition, match="resume it first"):
        control.changed(was, {"priority": 7})


@pytest.mark.parametrize("state", State)
def test_only_what_has_ended_can_be_deleted(state: State) -> None:
    was = in_state(state)
    if state in TERMINAL:
        control.check_deletable(was, [])
        return
    with pytest.raises(IllegalTransition, match="cancel it first"):
        control.check_deletable(was, [])
