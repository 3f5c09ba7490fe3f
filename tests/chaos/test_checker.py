"""The checker finds every crime that is planted in a good history, and nothing in the good one."""

import pytest

from service.lifecycle import State
from tests.chaos.checker import violations
from tests.chaos.history import RECORD, Ended, Left, Move, Record, Reference, Seen, Submitted, read

STEPS = 4
LIFE = (
    (None, State.QUEUED, 0),
    (State.QUEUED, State.STARTING, 1),
    (State.STARTING, State.RUNNING, 1),
    (State.RUNNING, State.QUEUED, 1),
    (State.QUEUED, State.STARTING, 2),
    (State.STARTING, State.RUNNING, 2),
    (State.RUNNING, State.SUCCEEDED, 2),
)


def moves(*steps: tuple[State | None, State, int]) -> tuple[Move, ...]:
    return tuple(
        Move(from_state=before, to_state=after, attempt=attempt) for before, after, attempt in steps
    )


ENDED = Ended(
    job="job-1",
    state=State.SUCCEEDED,
    moves=moves(*LIFE),
    train_steps=tuple(range(1, STEPS + 1)),
    succeeded=(2,),
    sha256="good",
)
LEFT = Left(jobs={"job-0": "", "job-1": "key-1"}, processes=(), cpus=2, cpus_free=2)
GOOD: list[Record] = [
    Reference(spec="small", steps=STEPS, sha256="good"),
    Submitted(at=1, key="key-1", job="job-1", spec="small"),
    Seen(at=2, job="job-1", state=State.STARTING, attempt=1, reason="starting"),
    Seen(at=3, job="job-1", state=State.QUEUED, attempt=1, reason="worker_lost"),
    Seen(at=4, job="job-1", state=State.SUCCEEDED, attempt=2, reason="completed"),
    ENDED,
    LEFT,
]


def without(kind: type) -> list[Record]:
    return [record for record in GOOD if not isinstance(record, kind)]


def ended(**changed: object) -> list[Record]:
    return [*without(Ended), ENDED.model_copy(update=changed)]


def left(**changed: object) -> list[Record]:
    return [*without(Left), LEFT.model_copy(update=changed)]


def shown(state: State, attempt: int) -> list[Record]:
    return [*GOOD, Seen(at=9, job="job-1", state=state, attempt=attempt, reason=None)]


def also(**said: str) -> list[Record]:
    submitted = {"at": 5, "key": "key-1", "job": "job-1", "spec": "small"} | said
    return [*GOOD, Submitted.model_validate(submitted)]


CRIMES: dict[str, list[Record]] = {
    "job-1 is lost": without(Ended),
    "job-2 is lost": also(key="key-2", job="job-2"),
    "key key-1 was answered with 2 jobs": also(job="job-2"),
    "key key-1 made 2 jobs": left(jobs={"job-1": "key-1", "job-2": "key-1"}),
    "job-1 is not listed": left(jobs={}),
    "is stuck: queued": ended(state=State.QUEUED, moves=moves(*LIFE[:4])),
    "its last event is running": ended(moves=moves(*LIFE[:-1])),
    "went from queued to running": ended(moves=moves(LIFE[0], (State.QUEUED, State.RUNNING, 0))),
    "went on from running when it was starting": ended(moves=moves(*LIFE[:2], LIFE[3])),
    "did not begin as queued": ended(moves=moves(*LIFE[1:])),
    "was at attempt 1, then at 3": ended(
        moves=moves(*LIFE[:4], (State.QUEUED, State.STARTING, 3), *LIFE[5:])
    ),
    "has no events": ended(moves=()),
    "was shown as running in attempt 3": shown(State.RUNNING, 3),
    "was shown as queued in attempt 1": shown(State.QUEUED, 1),
    "has 2 commits": ended(succeeded=(1, 2)),
    "no attempt says so": ended(succeeded=()),
    "steps that one attempt wrote twice": ended(twice=(3,)),
    "has no metric of 1 steps, the first 3": ended(train_steps=(1, 2, 4)),
    "has 1 steps twice, the first 2": ended(train_steps=(1, 2, 2, 3, 4)),
    "steps that it never was to do": ended(train_steps=(1, 2, 3, 4, 5)),
    "ended with weights bad": ended(sha256="bad"),
    "ended with weights None": ended(sha256=None),
    "ended failed": ended(
        state=State.FAILED, moves=moves(*LIFE[:-1], (State.RUNNING, State.FAILED, 2))
    ),
    "a process is left: 7 python": left(processes=("7 python",)),
    "1 CPUs are still reserved": left(cpus_free=1.0),
}


def test_a_good_history_is_not_found_guilty() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize("crime", CRIMES)
def test_every_crime_is_found(crime: str) -> None:
    assert any(crime in sentence for sentence in violations(CRIMES[crime]))


def test_a_history_is_judged_alike_when_it_is_read_again() -> None:
    lines = [RECORD.dump_json(record).decode() for record in CRIMES["has 2 commits"]]
    assert violations(read(lines)) == violations(CRIMES["has 2 commits"]) != []
