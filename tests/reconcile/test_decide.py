"""Every combination of what can be seen is decided, and each class of them keeps its promise."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from service.cluster.cluster import Sighting
from service.lifecycle import NEXT, TERMINAL, Result, State
from service.reconcile.decide import CANCEL_GRACE_S, PAUSE_GRACE_S, START_WITHIN_S, decide
from service.reconcile.outcomes import MOST_BACKOFF, backoff
from service.reconcile.steps import Act, Step
from tests.jobs.making import evaluated
from tests.reconcile.seeing import (
    AT_WORK,
    BEST,
    ENDED,
    EVALUATED,
    FAILED,
    FINAL,
    HALTED,
    LEADS_TO,
    LIMITS,
    STARTED,
    TRAINED,
    Case,
    ended,
    moves,
    where,
)
from trainer.contract.attempts import Outcome
from trainer.contract.kinds import Kind
from trainer.contract.reasons import FREE, RETRIED, Code

ATTENDED = (State.STARTING, State.RUNNING)
ASKED = (State.PAUSING, State.CANCELLING)
ALIVE = (Sighting.PENDING, Sighting.RUNNING)
GONE = (Sighting.MISSING, Sighting.ENDED)
FREELY = LIMITS[0][1:]  # no limit of time
WELL: dict[str, Iterable[object]] = {"silent": [None], "max_runtime": FREELY, "attempted": [True]}
IN_TIME: dict[str, Iterable[object]] = {"fruitless": [False], "max_runtime": FREELY}


def _steps(cases: list[Case]) -> list[Step]:
    """What is done; in none of the cases nothing."""
    steps = [decide(state, seen) for state, seen in cases]
    assert all(steps)
    return [step for step in steps if step]


def _acts(cases: list[Case]) -> set[Act | None]:
    steps = [decide(state, seen) for state, seen in cases]
    return {step.act if step else None for step in steps}


def test_every_combination_is_decided_within_the_table_of_the_lifecycle() -> None:
    for state, seen in AT_WORK + ENDED:
        step = decide(state, seen)
        if step and step.act in LEADS_TO:
            assert LEADS_TO[step.act] in NEXT[state], (state, seen, step)
        if moves(step) and step and step.act not in (Act.RUN, Act.SUCCEED):
            assert step.reason, (state, seen, step)


def test_ended_paused_and_queued_jobs_are_left_alone() -> None:
    assert _acts(where(AT_WORK + ENDED, state=[*TERMINAL, State.PAUSED, State.QUEUED])) == {None}


def test_a_silent_cluster_changes_no_job() -> None:
    unknown: dict[str, Iterable[object]] = {
        "sighting": [Sighting.UNKNOWN],
        "attempted": [True],
        "silent": [None],
    }
    silent = where(AT_WORK, state=(*ATTENDED, *ASKED), max_runtime=FREELY, **unknown)
    assert _acts(silent) == {None, Act.HALT}  # a wish to end needs no cluster
    assert _acts(where(silent, state=ATTENDED)) == {None}


def test_an_outcome_is_a_fact_whatever_the_cluster_says() -> None:
    for state, seen in where(ENDED, state=(*ATTENDED, State.PAUSING), sighting=[Sighting.RUNNING]):
        step = decide(state, seen)
        assert step is not None
        for sighting in Sighting:
            assert decide(state, replace(seen, sighting=sighting, started=None)) == step


@pytest.mark.parametrize(
    ("kind", "good", "bad", "result"),
    [
        ("train", TRAINED, EVALUATED, Result(FINAL, BEST)),
        ("evaluate", EVALUATED, TRAINED, Result(evaluation=evaluated())),
    ],
)
def test_success_needs_the_result_that_the_job_is_for(
    kind: Kind, good: Outcome, bad: Outcome, result: Result
) -> None:
    whole = where(ENDED, state=(*ATTENDED, State.PAUSING), outcome=[good], kind=[kind])
    assert all(step == Step(Act.SUCCEED, result=result) for step in _steps(whole))
    nothing = [bad, ended("succeeded"), ended("failed")]
    for step in _steps(where(ENDED, state=ATTENDED, outcome=nothing, kind=[kind], **IN_TIME)):
        assert step.act in (Act.RETRY, Act.FAIL)
        assert step.reason
        assert step.reason.code is Code.INTERNAL


@pytest.mark.parametrize("code", sorted(set(Code) - RETRIED - FREE))
def test_a_failure_of_the_users_ends_the_job_with_its_reason(code: Code) -> None:
    outcomes = [ended("failed", code), ended("given_up", code)]
    for state, seen in where(ENDED, state=ATTENDED, outcome=outcomes):
        assert seen.outcome
        assert decide(state, seen) == Step(Act.FAIL, seen.outcome.reason)


@pytest.mark.parametrize("code", sorted(RETRIED))
def test_a_failure_of_the_platforms_is_retried_while_retries_are_left(code: Code) -> None:
    outcomes = [ended("failed", code), ended("given_up", code)]
    for state, seen in where(ENDED, state=ATTENDED, outcome=outcomes, **IN_TIME):
        step = decide(state, seen)
        assert step
        assert step.reason
        assert step.reason.code is code
        if seen.retries < seen.max_retries:
            assert step.act is Act.RETRY
            assert f"retry {seen.retries + 1} of {seen.max_retries}" in step.reason.message
        else:
            assert step.act is Act.FAIL
            assert f"All {seen.max_retries} retries are spent" in step.reason.message


def test_what_the_cluster_did_costs_no_retry_unless_it_does_so_again_and_again() -> None:
    free = [ended(status, code) for status in ("failed", "given_up") for code in FREE]
    for step in _steps(where(ENDED, state=ATTENDED, outcome=free, **IN_TIME)):
        assert step.act is Act.RETRY_FREE
        assert step.reason
        assert "costs no retry" in step.reason.message
    again: dict[str, Iterable[object]] = {"fruitless": [True], "max_runtime": FREELY}
    for state, seen in where(ENDED, state=ATTENDED, outcome=free, **again):
        spent = seen.retries == seen.max_retries
        assert _acts([(state, seen)]) == {Act.FAIL if spent else Act.RETRY}


def test_an_attempt_that_was_asked_to_end_did_nothing_wrong() -> None:
    asked = [one for one in HALTED if not one.reason or one.reason.code in FREE]
    assert _acts(where(ENDED, state=ATTENDED, outcome=asked, **IN_TIME)) == {Act.RETRY_FREE}
    late = ended("halted", Code.MAX_RUNTIME_EXCEEDED)
    for step in _steps(where(ENDED, state=ATTENDED, outcome=[late])):
        assert step == Step(Act.FAIL, late.reason)


def test_a_job_that_has_had_its_time_is_not_tried_again() -> None:
    over = LIMITS[1][1:]
    ours = [one for one in HALTED + FAILED if one.reason and one.reason.code in RETRIED | FREE]
    for step in _steps(where(ENDED, state=ATTENDED, outcome=ours, max_runtime=over)):
        assert step.act is Act.FAIL
        assert step.reason
        assert step.reason.code is Code.MAX_RUNTIME_EXCEEDED


def test_a_job_is_paused_by_whatever_ended_its_attempt_but_its_own_end() -> None:
    pausing = where(ENDED, state=[State.PAUSING])
    assert _acts(where(pausing, outcome=HALTED)) == {Act.END_PAUSED}
    users = {one.reason.code for one in FAILED if one.reason} - RETRIED - FREE
    for _, seen in where(pausing, outcome=FAILED):
        assert seen.outcome
        assert seen.outcome.reason
        is_users = seen.outcome.status == "failed" and seen.outcome.reason.code in users
        wanted = Act.FAIL if is_users else Act.END_PAUSED
        assert _acts([(State.PAUSING, seen)]) == {wanted}


def test_an_attempt_that_was_never_given_to_the_cluster_is_submitted() -> None:
    never: dict[str, Iterable[object]] = {"submitted": [False], "tried": [False], "started": [None]}
    fresh = where(AT_WORK, state=[State.STARTING], sighting=[Sighting.MISSING], **never)
    assert _acts(fresh) == {Act.SUBMIT}


def test_nothing_is_submitted_that_was_or_may_have_been() -> None:
    for state, seen in AT_WORK + ENDED:
        step = decide(state, seen)
        if step and step.act is Act.SUBMIT:
            assert state is State.STARTING
            assert seen.sighting is Sighting.MISSING
            assert not seen.submitted
            assert not seen.tried
            assert (seen.started, seen.outcome) == (None, None)


def test_a_submission_that_was_made_and_not_noted_is_noted() -> None:
    alive = where(AT_WORK, state=ATTENDED, sighting=ALIVE, submitted=[False])
    assert _acts(alive) == {Act.NOTE_SUBMITTED}


def test_a_job_runs_when_its_attempt_has_begun() -> None:
    noted = where(AT_WORK, sighting=ALIVE, submitted=[True], **WELL)
    assert _acts(where(noted, state=[State.STARTING], started=[STARTED])) == {Act.RUN}
    young: dict[str, Iterable[object]] = {"in_state_s": [0.0], "started": [None]}
    assert _acts(where(noted, state=[State.STARTING], **young)) == {None}
    assert _acts(where(noted, state=[State.RUNNING])) == {None}


def test_an_attempt_of_which_no_worker_ever_begins_is_given_up() -> None:
    noted = where(AT_WORK, state=[State.STARTING], submitted=[True], started=[None], **WELL)
    late = where(noted, sighting=[Sighting.RUNNING], in_state_s=[START_WITHIN_S])
    for step in _steps(where(late, placed=[False])):
        assert step.act is Act.GIVE_UP
        assert step.reason
        assert step.reason.code is Code.ATTEMPT_LOST
    assert _acts(where(late, placed=[True])) == {None}


def test_an_attempt_that_gives_no_sign_of_life_is_given_up() -> None:
    silent = where(AT_WORK, state=ATTENDED, silent=["The driver is silent."], submitted=[True])
    for step in _steps(where(silent, sighting=[*ALIVE, Sighting.UNKNOWN])):
        assert step.act is Act.GIVE_UP
        assert step.reason
        assert step.reason.code is Code.ATTEMPT_LOST
        assert step.reason.message == "The driver is silent."


@pytest.mark.parametrize(
    ("sighting", "code"),
    [(Sighting.ENDED, Code.ATTEMPT_LOST), (Sighting.MISSING, Code.CLUSTER_RESTARTED)],
)
def test_an_attempt_that_is_gone_without_an_outcome_is_given_up(
    sighting: Sighting, code: Code
) -> None:
    gone = where(AT_WORK, state=ATTENDED, sighting=[sighting], submitted=[True])
    gone += where(AT_WORK, state=ATTENDED, sighting=[sighting], tried=[True])
    gone += where(AT_WORK, state=ATTENDED, sighting=[sighting], started=[STARTED])
    gone += where(AT_WORK, state=[State.RUNNING], sighting=[sighting])
    for step in _steps(gone):
        assert step.act is Act.GIVE_UP
        assert step.reason
        assert step.reason.code is code


def test_a_job_that_ran_for_its_time_is_asked_to_end_and_then_given_up() -> None:
    noted = where(AT_WORK, submitted=[True], silent=[None], state=[State.RUNNING])
    noted = where(noted, sighting=[*ALIVE, Sighting.UNKNOWN], started=[STARTED])
    (_, limit), (beyond, _) = LIMITS[1:]
    over = where(noted, ran_s=[limit])
    assert _acts(where(over, halted=[False])) == {Act.HALT}
    assert _acts(where(over, halted=[True])) == {None}
    for step in _steps(where(noted, ran_s=[beyond])):
        assert step.act is Act.GIVE_UP
        assert step.reason
        assert step.reason.code is Code.MAX_RUNTIME_EXCEEDED


@pytest.mark.parametrize(
    ("state", "grace_s"),
    [(State.PAUSING, PAUSE_GRACE_S), (State.CANCELLING, CANCEL_GRACE_S)],
)
def test_first_a_wish_then_force(state: State, grace_s: float) -> None:
    alive = where(AT_WORK, state=[state], sighting=ALIVE, attempted=[True])
    begun = where(alive, started=[STARTED], silent=[None])
    in_time = [(state, seen) for state, seen in begun if seen.in_state_s < grace_s]
    assert _acts(where(in_time, halted=[False])) == {Act.HALT}
    assert _acts(where(in_time, halted=[True])) == {None}
    late = [(state, seen) for state, seen in begun if seen.in_state_s >= grace_s]
    assert _acts(late) == {Act.STOP}
    assert _acts(where(alive, started=[None])) == {Act.STOP}
    assert _acts(where(alive, silent=["The driver is silent."])) == {Act.STOP}


def test_an_attempt_that_has_an_outcome_may_exit_by_itself() -> None:
    _, seen = where(ENDED, sighting=[Sighting.RUNNING], outcome=[TRAINED])[0]
    begun = replace(seen, started=STARTED)
    assert decide(State.CANCELLING, begun) is None
    late = replace(begun, in_state_s=CANCEL_GRACE_S)
    assert decide(State.CANCELLING, late) == Step(Act.STOP)


def test_a_cancelled_job_ends_when_nothing_of_it_runs() -> None:
    cancelling = where(AT_WORK + ENDED, state=[State.CANCELLING])
    assert _acts(where(cancelling, sighting=GONE)) == {Act.END_CANCELLED}
    assert _acts(where(cancelling, attempted=[False])) == {Act.END_CANCELLED}
    others = where(cancelling, sighting=[*ALIVE, Sighting.UNKNOWN], attempted=[True])
    assert Act.END_CANCELLED not in _acts(others)


def test_a_paused_job_ends_when_nothing_of_it_runs() -> None:
    pausing = where(AT_WORK, state=[State.PAUSING])
    assert _acts(where(pausing, sighting=GONE, attempted=[True])) == {Act.GIVE_UP}
    assert _acts(where(pausing, attempted=[False])) == {Act.END_PAUSED}


def test_the_first_retry_is_made_at_once_and_later_ones_wait_longer_and_longer() -> None:
    waits = [backoff(number).total_seconds() for number in range(1, 101)]
    assert waits[:5] == [0, 2, 4, 8, 16]
    assert waits == sorted(waits)
    assert waits[-1] == MOST_BACKOFF.total_seconds()
