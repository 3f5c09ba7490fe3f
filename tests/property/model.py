"""What the REST contract says of jobs, as tables and sums, written from the contract and not from the
service. Pure; `machine` asks the service and compares."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

Shown = dict[str, Any]
"""A job as the service shows it."""

TERMINAL = {"succeeded", "failed", "cancelled"}
WORKING = {"starting", "running", "pausing"}
"""What is being cancelled may hold its resources too, or have none: it was in the queue."""
KEYS_LAST = timedelta(hours=24)

BY_ITSELF: dict[str, set[str]] = {
    "queued": {"starting", "failed"},
    "starting": {"running", "queued", "succeeded", "failed"},
    "running": {"queued", "succeeded", "failed"},
    "pausing": {"paused", "succeeded", "failed"},
    "cancelling": {"cancelled"},
}
"""State → where it can go without anybody's asking."""

BY_REQUEST: dict[str, set[str]] = {
    "queued": {"cancelling", "pausing", "paused"},
    "starting": {"cancelling", "pausing"},
    "running": {"cancelling", "pausing"},
    "pausing": {"cancelling"},
    "paused": {"cancelling", "queued"},
    "succeeded": {"queued"},
    "failed": {"queued"},
    "cancelled": {"queued"},
}

TOO_MANY = 99
"""Workers that the cluster never has."""

REFUSED: frozenset[str] = frozenset()
"""No state: the request is refused with 409, and nothing changes."""

ANSWERS: dict[str, dict[str, frozenset[str]]] = {
    "cancel": {
        "queued": frozenset({"cancelling", "cancelled"}),
        "starting": frozenset({"cancelling"}),
        "running": frozenset({"cancelling"}),
        "pausing": frozenset({"cancelling"}),
        "paused": frozenset({"cancelling", "cancelled"}),
        "cancelling": frozenset({"cancelling"}),
        **dict.fromkeys(TERMINAL, REFUSED),
    },
    "pause": {
        "queued": frozenset({"paused", "pausing"}),
        "starting": frozenset({"pausing"}),
        "running": frozenset({"pausing"}),
        "pausing": frozenset({"pausing"}),
        "paused": frozenset({"paused"}),
        "cancelling": REFUSED,
        **dict.fromkeys(TERMINAL, REFUSED),
    },
    "resume": {
        **dict.fromkeys(("paused", "failed", "cancelled"), frozenset({"queued"})),
        **dict.fromkeys(("starting", "running", "pausing", "cancelling"), REFUSED),
    },
    "extend": {
        **dict.fromkeys(("paused", *TERMINAL), frozenset({"queued"})),
        **dict.fromkeys(("starting", "running", "pausing", "cancelling"), REFUSED),
    },
}
"""Request → state → the states that the answer may show. What is not there is not promised."""


@dataclass
class Known:
    """A job, as its client knows it."""

    body: dict[str, Any]
    shown: Shown
    requests: set[str] = field(default_factory=set)
    """What was asked of it since it was last resumed."""
    resumes: int = 0

    @property
    def id(self) -> str:
        return str(self.shown["id"])

    @property
    def state(self) -> str:
        return str(self.shown["state"])

    @property
    def has_ended(self) -> bool:
        return self.state in TERMINAL

    @property
    def fits(self) -> bool:
        """Whether the cluster could ever hold it."""
        return self.body.get("workers") != TOO_MANY


@dataclass
class First:
    """The first answer to an idempotency key."""

    body: dict[str, Any]
    answer: Shown
    at: datetime


def reachable(state: str) -> set[str]:
    """Where a job can be after a while in which nobody asked for anything."""
    met, new = {state}, {state}
    while new:
        new = {follower for one in new for follower in BY_ITSELF.get(one, ())} - met
        met |= new
    return met


def is_chain(events: list[dict[str, Any]]) -> bool:
    """Whether a job's events lead from its making, step by step, along the contract."""
    if not events or events[0]["from"] is not None or events[0]["to"] != "queued":
        return False
    pairs = pairwise(events)
    return all(
        later["from"] == earlier["to"]
        and datetime.fromisoformat(later["time"]) >= datetime.fromisoformat(earlier["time"])
        and later["to"]
        in BY_ITSELF.get(later["from"], set()) | BY_REQUEST.get(later["from"], set())
        for earlier, later in pairs
    )


def matches(known: Known, asked: dict[str, str]) -> bool:
    """Whether a list with these filters has the job."""
    label = asked.get("label", "").split("=", 1)
    return (
        asked.get("state", known.state) == known.state
        and asked.get("kind", "train") == "train"
        and ("label" not in asked or known.shown["labels"].get(label[0]) == label[1])
    )
