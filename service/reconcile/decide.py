"""What to do with a job, given what is seen of its attempt. Pure; `attend` looks and acts.

Total over states × sightings: a test goes through all of them.
"""

from service.cluster.cluster import Sighting
from service.lifecycle import State
from service.reconcile.outcomes import overdue, settle, settle_paused
from service.reconcile.steps import Act, Seen, Step
from trainer.contract.reasons import Code, reason

CANCEL_GRACE_S = 4.0
"""Seconds that a cancelled attempt has to keep a checkpoint, from the request on. Ray needs up to 3 s
to end it then, and 10 s in all are promised."""
PAUSE_GRACE_S = 60.0
"""Seconds that an attempt has to keep a checkpoint and end when nobody waits for its end: long enough
for the slowest step and its checkpoint."""
START_WITHIN_S = 300.0
"""Seconds within which the first worker of an attempt that Ray runs must give a sign of life. Ray waits
without an end for a machine that has gone since the job was admitted."""

GONE = (Sighting.MISSING, Sighting.ENDED)
PAUSED = reason(Code.PAUSED_BY_USER, "It was paused on request.")
CANCELLED = reason(Code.CANCELLED_BY_USER, "It was cancelled on request.")


def decide(state: State, seen: Seen) -> Step | None:
    """The next step of a job, or None when there is nothing to do."""
    match state:
        case State.STARTING | State.RUNNING:
            return settle(seen.outcome, seen) if seen.outcome else _watch(state, seen)
        case State.PAUSING:
            return _pause(seen)
        case State.CANCELLING:
            return _cancel(seen)
        case _:
            return None  # queued jobs are moved by admission, ended ones by nobody


def _watch(state: State, seen: Seen) -> Step | None:
    match seen.sighting:
        case Sighting.ENDED:
            return Step(
                Act.GIVE_UP, reason(Code.ATTEMPT_LOST, "The attempt ended without an outcome.")
            )
        case Sighting.MISSING:
            if state is State.STARTING and not (seen.submitted or seen.tried or seen.started):
                return Step(Act.SUBMIT)
            # It may have run, and of a forgotten one a process may still live: never start it again.
            return Step(
                Act.GIVE_UP, reason(Code.CLUSTER_RESTARTED, "The cluster forgot the attempt.")
            )
        case Sighting.PENDING | Sighting.RUNNING if not seen.submitted:
            return Step(Act.NOTE_SUBMITTED)
        case _:
            return _hold_to_promises(state, seen)


def _hold_to_promises(state: State, seen: Seen) -> Step | None:
    """Of an attempt that should be alive. Its own signs of life and its time count also while the
    cluster is silent; nothing follows from the silence itself."""
    if seen.silent:
        return Step(Act.GIVE_UP, reason(Code.ATTEMPT_LOST, seen.silent))
    if step := _limit(seen):
        return step
    if state is not State.STARTING or seen.sighting is Sighting.UNKNOWN:
        return None
    if seen.started:
        return Step(Act.RUN)
    is_late = seen.in_state_s >= START_WITHIN_S and not seen.placed
    if seen.sighting is Sighting.RUNNING and is_late:
        late = f"No worker of the attempt began within {START_WITHIN_S:g} s."
        return Step(Act.GIVE_UP, reason(Code.ATTEMPT_LOST, late))
    return None


def _limit(seen: Seen) -> Step | None:
    if seen.overdue_s is None:
        return None
    if seen.started and seen.overdue_s < PAUSE_GRACE_S:
        return None if seen.halted else Step(Act.HALT, overdue(seen))
    return Step(Act.GIVE_UP, overdue(seen))


def _pause(seen: Seen) -> Step | None:
    if not seen.attempted:
        return Step(Act.END_PAUSED, PAUSED)
    if seen.outcome:
        return settle_paused(seen.outcome, seen)
    if seen.sighting in GONE:
        return Step(Act.GIVE_UP, PAUSED)
    return _wind_down(seen, Step(Act.HALT, PAUSED), grace_s=PAUSE_GRACE_S)


def _cancel(seen: Seen) -> Step | None:
    if not seen.attempted or seen.sighting in GONE:
        return Step(Act.END_CANCELLED, CANCELLED)
    return _wind_down(seen, Step(Act.HALT, CANCELLED), grace_s=CANCEL_GRACE_S)


def _wind_down(seen: Seen, halt: Step, *, grace_s: float) -> Step | None:
    """First a wish, then force. An attempt that has not begun has nothing to keep, and one that gives no
    sign of life does not hear the wish."""
    if seen.started and not seen.silent and seen.in_state_s < grace_s:
        return None if seen.halted or seen.outcome else halt
    if seen.sighting is Sighting.UNKNOWN:
        return None
    return Step(Act.STOP)  # again and again: Ray forgets the stop of a pending submission
