"""Jobs that are kept in a store, in whatever state a test needs them."""

from typing import Any

from service.jobs.store import JobStore
from service.lifecycle import Job, State, advance
from tests.jobs.making import NOW, WHY, job


def in_state(store: JobStore, state: State, number: int = 1, **fields: Any) -> Job:
    """Insert a job and bring it into `state`."""
    ways = {
        State.QUEUED: (),
        State.STARTING: (State.STARTING,),
        State.RUNNING: (State.STARTING, State.RUNNING),
        State.PAUSING: (State.STARTING, State.PAUSING),
        State.PAUSED: (State.STARTING, State.PAUSING, State.PAUSED),
        State.CANCELLING: (State.STARTING, State.CANCELLING),
        State.CANCELLED: (State.STARTING, State.CANCELLING, State.CANCELLED),
        State.SUCCEEDED: (State.STARTING, State.SUCCEEDED),
        State.FAILED: (State.STARTING, State.FAILED),
    }
    found = job(number, **fields)
    store.insert(found)
    for to in ways[state]:
        found = store.save(advance(found, to, at=NOW, reason=WHY), was=found)
    return found
