"""Everything that can be seen of a job, for the tests of `decide`: all combinations of what counts."""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from typing import Any, get_args

from service.cluster.cluster import Sighting
from service.lifecycle import State
from service.reconcile.decide import CANCEL_GRACE_S, PAUSE_GRACE_S, START_WITHIN_S
from service.reconcile.steps import Act, Seen, Step
from tests.jobs.making import NOW, evaluated, point
from trainer.contract.attempts import Best, Outcome, Started
from trainer.contract.kinds import Kind
from trainer.contract.reasons import Code, reason

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


@cache
def ended(status: str, code: Code | None = None, **fields: object) -> Outcome:
    why = reason(code, f"This is why: {code}.") if code else None
    values = {"job_id": "job-1", "attempt": 1, "status": status, "reason": why, "at": NOW}
    return Outcome.model_validate(values | fields)


TRAINED = ended("succeeded", final=FINAL, best=BEST)
EVALUATED = ended("succeeded", evaluation=evaluated())
HALTED = [ended("halted", code) for code in (None, *Code)]
FAILED = [ended(status, code) for status in ("failed", "given_up") for code in Code]
OUTCOMES = [TRAINED, EVALUATED, ended("succeeded"), ended("failed"), *HALTED, *FAILED]

YES_NO = (False, True)
MAX_RUNTIME = 100.0
TIMES = (0.0, CANCEL_GRACE_S, PAUSE_GRACE_S, START_WITHIN_S)
LIMITS = ((0.0, None), (MAX_RUNTIME, MAX_RUNTIME), (MAX_RUNTIME + PAUSE_GRACE_S, MAX_RUNTIME))
"""Seconds that it ran, and may run."""

Case = tuple[State, Seen]


def _all(limits: Sequence[tuple[float, float | None]], **values: Iterable[Any]) -> list[Case]:
    """Each state with each combination of what can be seen."""
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    return [
        (state, Seen(**(ANY | chosen), ran_s=ran_s, max_runtime=max_runtime))
        for state, chosen, (ran_s, max_runtime) in product(State, combinations, limits)
    ]


ANY: dict[str, Any] = {
    **{"submitted": True, "tried": False, "started": None, "outcome": None},
    **{"retries": 0, "max_retries": 3, "kind": "train"},
}

AT_WORK = _all(
    LIMITS,
    sighting=Sighting,
    submitted=YES_NO,
    tried=YES_NO,
    started=(None, STARTED),
    attempted=YES_NO,
    halted=YES_NO,
    silent=(None, "The driver is silent."),
    placed=YES_NO,
    in_state_s=TIMES,
)
"""Of attempts that have not ended, or that there are none of."""

ENDED = _all(
    LIMITS[:2],
    sighting=Sighting,
    outcome=OUTCOMES,
    retries=(0, 3),
    kind=get_args(Kind),
    fruitless=YES_NO,
)
"""Of attempts that have an outcome."""


def where(cases: list[Case], **wanted: Iterable[object]) -> list[Case]:
    """The cases in which each named part is one of those given."""
    found = [
        (state, seen)
        for state, seen in cases
        if all(
            _is_one((state if name == "state" else getattr(seen, name)), values)
            for name, values in wanted.items()
        )
    ]
    assert found, "nothing is like that, so nothing would be tested"
    return found


def _is_one(found: object, values: Iterable[object]) -> bool:
    """Outcomes are compared by identity: `ended` makes each once, and there are many."""
    if isinstance(found, Outcome):
        return any(found is one for one in values)
    return any(found == one for one in values)


LEADS_TO = {
    Act.RUN: State.RUNNING,
    Act.SUCCEED: State.SUCCEEDED,
    Act.FAIL: State.FAILED,
    Act.RETRY: State.QUEUED,
    Act.RETRY_FREE: State.QUEUED,
    Act.END_PAUSED: State.PAUSED,
    Act.END_CANCELLED: State.CANCELLED,
}
"""The state after an act; other acts leave it."""


def moves(step: Step | None) -> bool:
    return step is not None and (step.act in LEADS_TO or step.act is Act.GIVE_UP)
