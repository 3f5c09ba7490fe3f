"""Every combination of what can be seen is decided, and each class of them keeps its promise."""

from itertools import product
from typing import get_args

import pytest

from service.cluster.cluster import Sighting
from service.lifecycle import LIVE, NEXT, TERMINAL, Result, State
from service.reconcile.decide import Act, Seen, Step, decide
from tests.jobs.making import NOW, evaluated, point
from trainer.contract.attempts import Best, Outcome, Started
from trainer.contract.kinds import Kind
from trainer.contract.reasons import RETRIED, Code, reason

ATTENDED = (State.STARTING, State.RUNNING)

LEADS_TO = {
    Act.RUN: State.RUNNING,
    Act.SUCCEED: State.SUCCEEDED,
    Act.FAIL: State.FAILED,
    Act.RETRY: State.QUEUED,
    Act.RETRY_FREE: State.QUEUED,
    Act.END_CANCELLED: State.CANCELLED,
}

STARTED = Started(
    job_id="job-1",
    attempt=1,
    resumed_step=0,
    resumed_attempt=None,
    device="cpu",
    precision="fp32",
    channels_last=False,
    versions={},
    at=NOW,
)
FINAL = point(1, "val")
BEST = Best(attempt=1, step=1, metrics=FINAL)


def _ended(status: str, code: Code | None = None, **fields: object) -> Outcome:
    why = reason(code, f"This is why: {code}.") if code else None
    values = {"job_id": "job-1", "attempt": 1, "status": status, "reason": why, "at": NOW}
    return Outcome.model_validate(values | fields)


TRAINED = _ended("succeeded", final=FINAL, best=BEST)
EVALUATED = _ended("succeeded", evaluation=evaluated())
OUTCOMES = [
    TRAINED,
    EVALUATED,
    _ended("succeeded"),
    _ended("failed"),
    *(_ended(status, code) for status in ("failed", "given_up") for code in Code),
]
YES_NO = (False, True)
KINDS = get_args(Kind)
BUDGETS = [(0, 0), (0, 3), (2, 3), (3, 3), (4, 3)]

ALL = [
    (state, Seen(sighting, submitted, tried, started, outcome, *budget, kind))
    for state, sighting, submitted, tried, started, outcome, budget, kind in product(
        State, Sighting, YES_NO, YES_NO, (None, STARTED), (None, *OUTCOMES), BUDGETS, KINDS
    )
]


def _where(**wanted: object) -> list[tuple[State, Seen]]:
    """The combinations in which each named part of what is seen is one of those given."""
    return [
        (state, seen)
        for state, seen in ALL
        if all(
            (state if name == "state" else getattr(seen, name)) in values  # type: ignore[operator]
            for name, values in wanted.items()
        )
    ]


def _acts(combinations: list[tuple[State, Seen]]) -> set[Act | None]:
    assert combinations
    steps = [decide(state, seen) for state, seen in combinations]
    return {step.act if step else None for step in steps}


def test_every_combination_is_decided_within_the_table_of_the_lifecycle() -> None:
    for state, seen in ALL:
        step = decide(state, seen)
        if step and step.act in LEADS_TO:
            assert LEADS_TO[step.act] in NEXT[state], (state, seen, step)


def test_an_ended_job_never_changes() -> None:
    assert _acts(_where(state=TERMINAL)) == {None}


def test_a_queued_job_is_moved_by_admission_only() -> None:
    assert _acts(_where(state=[State.QUEUED])) == {None}


def test_a_silent_cluster_changes_no_job() -> None:
    silent = _where(state=LIVE, sighting=[Sighting.UNKNOWN], outcome=[None])
    assert _acts(silent) == {None}
    assert _acts(_where(state=[State.CANCELLING], sighting=[Sighting.UNKNOWN])) == {None}


def test_an_outcome_is_a_fact_whatever_the_cluster_says() -> None:
    for state, outcome, kind in product(ATTENDED, OUTCOMES, KINDS):
        for budget in BUDGETS:
            steps = [
                decide(state, Seen(sighting, submitted, tried, started, outcome, *budget, kind))
                for sighting, submitted, tried, started in product(
                    Sighting, YES_NO, YES_NO, (None, STARTED)
                )
            ]
            assert steps[0] is not None
            assert steps == [steps[0]] * len(steps)


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
    whole = _where(state=ATTENDED, outcome=[good], kind=[kind])
    assert {step for state, seen in whole if (step := decide(state, seen))} == {
        Step(Act.SUCCEED, result=result)
    }
    nothing = [bad, _ended("succeeded"), _ended("failed")]
    for state, seen in _where(state=ATTENDED, outcome=nothing, kind=[kind]):
        step = decide(state, seen)
        assert step is not None
        assert step.act is Act.FAIL
        assert step.reason is not None
        assert step.reason.code is Code.INTERNAL


@pytest.mark.parametrize("status", ["failed", "given_up"])
@pytest.mark.parametrize("code", [code for code in Code if code not in RETRIED])
def test_a_failure_of_the_users_ends_the_job_with_its_reason(status: str, code: Code) -> None:
    outcome = _ended(status, code)
    for state, seen in _where(state=ATTENDED, outcome=[outcome]):
        assert decide(state, seen) == Step(Act.FAIL, outcome.reason)


@pytest.mark.parametrize("status", ["failed", "given_up"])
@pytest.mark.parametrize("code", sorted(RETRIED - {Code.CLUSTER_RESTARTED}))
def test_a_failure_of_the_platforms_is_retried_while_retries_are_left(
    status: str, code: Code
) -> None:
    for state, seen in _where(state=ATTENDED, outcome=[_ended(status, code)]):
        step = decide(state, seen)
        assert step is not None
        assert step.reason is not None
        assert step.reason.code is code
        if seen.retries < seen.max_retries:
            assert step.act is Act.RETRY
            assert f"retry {seen.retries + 1} of {seen.max_retries}" in step.reason.message
        else:
            assert step.act is Act.FAIL
            assert f"All {seen.max_retries} retries are spent" in step.reason.message


def test_a_restart_of_the_cluster_costs_no_retry() -> None:
    restarted = [_ended("given_up", Code.CLUSTER_RESTARTED)]
    for state, seen in _where(state=ATTENDED, outcome=restarted):
        step = decide(state, seen)
        assert step is not None
        assert step.act is Act.RETRY_FREE
        assert step.reason is not None
        assert "costs no retry" in step.reason.message


def test_an_attempt_that_was_never_given_to_the_cluster_is_submitted() -> None:
    never = {"submitted": [False], "tried": [False], "started": [None], "outcome": [None]}
    fresh = _where(state=[State.STARTING], sighting=[Sighting.MISSING], **never)
    assert _acts(fresh) == {Act.SUBMIT}


def test_nothing_is_submitted_that_was_or_may_have_been() -> None:
    for state, seen in ALL:
        step = decide(state, seen)
        if step and step.act is Act.SUBMIT:
            assert state is State.STARTING
            assert seen.sighting is Sighting.MISSING
            assert not seen.submitted
            assert not seen.tried
            assert (seen.started, seen.outcome) == (None, None)


def test_a_submission_that_was_made_and_not_noted_is_noted() -> None:
    alive = {"sighting": [Sighting.PENDING, Sighting.RUNNING], "outcome": [None]}
    assert _acts(_where(state=ATTENDED, submitted=[False], **alive)) == {Act.NOTE_SUBMITTED}


def test_a_job_runs_when_its_attempt_has_begun() -> None:
    alive = {"sighting": [Sighting.PENDING, Sighting.RUNNING], "outcome": [None]}
    noted = alive | {"submitted": [True]}
    assert _acts(_where(state=[State.STARTING], started=[STARTED], **noted)) == {Act.RUN}
    assert _acts(_where(state=[State.STARTING], started=[None], **noted)) == {None}
    assert _acts(_where(state=[State.RUNNING], **noted)) == {None}


def test_an_attempt_that_ended_without_an_outcome_is_given_up() -> None:
    for state, seen in _where(state=ATTENDED, sighting=[Sighting.ENDED], outcome=[None]):
        step = decide(state, seen)
        assert step is not None
        assert step.act is Act.GIVE_UP
        assert step.reason is not None
        assert step.reason.code is Code.ATTEMPT_LOST


def test_an_attempt_that_the_cluster_forgot_is_given_up() -> None:
    forgotten = [
        *_where(state=[State.RUNNING], sighting=[Sighting.MISSING], outcome=[None]),
        *_where(state=ATTENDED, sighting=[Sighting.MISSING], outcome=[None], submitted=[True]),
        *_where(state=ATTENDED, sighting=[Sighting.MISSING], outcome=[None], tried=[True]),
        *_where(state=ATTENDED, sighting=[Sighting.MISSING], outcome=[None], started=[STARTED]),
    ]
    for state, seen in forgotten:
        step = decide(state, seen)
        assert step is not None
        assert step.act is Act.GIVE_UP
        assert step.reason is not None
        assert step.reason.code is Code.CLUSTER_RESTARTED


def test_a_cancelled_job_is_stopped_until_nothing_of_it_runs() -> None:
    cancelling = [State.CANCELLING]
    alive = _where(state=cancelling, sighting=[Sighting.PENDING, Sighting.RUNNING])
    assert _acts(alive) == {Act.STOP}
    gone = _where(state=cancelling, sighting=[Sighting.MISSING, Sighting.ENDED])
    assert _acts(gone) == {Act.END_CANCELLED}


def test_whatever_was_asked_the_same_question_gets_the_same_answer() -> None:
    assert [decide(*asked) for asked in ALL] == [decide(*asked) for asked in ALL]
