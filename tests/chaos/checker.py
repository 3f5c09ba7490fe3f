"""Judges a history: every way in which an accepted job was lost, doubled, stuck or changed. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from service.lifecycle import NEXT, TERMINAL, State
from tests.chaos.history import Ended, Left, Record, Reference, Seen, Submitted


def violations(records: Iterable[Record]) -> list[str]:
    """Sentences, each about one broken promise; empty when all were kept."""
    known = list(records)
    ended = {record.job: record for record in known if isinstance(record, Ended)}
    submitted = [record for record in known if isinstance(record, Submitted)]
    references = {record.spec: record for record in known if isinstance(record, Reference)}
    seen: dict[str, list[Seen]] = defaultdict(list)
    for record in known:
        if isinstance(record, Seen):
            seen[record.job].append(record)
    found = list(_keys(submitted))
    for job, spec in {record.job: record.spec for record in submitted}.items():
        if job not in ended:
            found.append(f"{job} is lost")
            continue
        found += _life(ended[job])
        found += _unseen(ended[job], seen[job])
        found += _came_to(ended[job], references.get(spec))
    for left in (record for record in known if isinstance(record, Left)):
        found += _left(left, submitted)
    return found


def _keys(submitted: list[Submitted]) -> Iterator[str]:
    jobs: dict[str, set[str]] = defaultdict(set)
    for record in submitted:
        jobs[record.key].add(record.job)
    for key, ids in jobs.items():
        if len(ids) > 1:
            yield f"key {key} was answered with {len(ids)} jobs: {', '.join(sorted(ids))}"


def _life(ended: Ended) -> Iterator[str]:
    """Its events are one chain of allowed steps, from its first state to the one it is in."""
    states = [move.to_state for move in ended.moves]
    if not states:
        yield f"{ended.job} has no events"
        return
    if ended.moves[0].from_state is not None or states[0] is not State.QUEUED:
        yield f"{ended.job} did not begin as queued"
    for before, move in pairwise(ended.moves):
        if move.from_state is not before.to_state:
            yield f"{ended.job} went on from {move.from_state} when it was {before.to_state}"
        elif move.to_state not in NEXT[before.to_state]:
            yield f"{ended.job} went from {before.to_state} to {move.to_state}"
        if move.attempt != before.attempt + (move.to_state is State.STARTING):
            yield f"{ended.job} was at attempt {before.attempt}, then at {move.attempt}"
    if states[-1] is not ended.state:
        yield f"{ended.job} is {ended.state}, and its last event is {states[-1]}"
    if ended.state not in TERMINAL:
        yield f"{ended.job} is stuck: {ended.state}"
    if states.count(State.SUCCEEDED) > 1:
        yield f"{ended.job} succeeded {states.count(State.SUCCEEDED)} times"


def _unseen(ended: Ended, seen: list[Seen]) -> Iterator[str]:
    """What a client was shown stays true: it is in the events, in the same order."""
    moves = iter([(move.to_state, move.attempt) for move in ended.moves])
    for record in seen:
        shown = (record.state, record.attempt)
        if shown not in moves:  # `in` reads on to where it is found
            yield f"{ended.job} was shown as {shown[0]} in attempt {shown[1]}, of which it has no event"
            return


def _came_to(ended: Ended, reference: Reference | None) -> Iterator[str]:
    """One attempt's success is believed; its steps and weights are those of an undisturbed run."""
    if len(ended.succeeded) > 1:
        yield f"{ended.job} has {len(ended.succeeded)} commits: attempts {ended.succeeded}"
    if ended.twice:
        yield f"{ended.job} has steps that one attempt wrote twice: {ended.twice[:5]}"
    if reference is None:
        return
    if ended.state is not State.SUCCEEDED:
        yield f"{ended.job} ended {ended.state}"
        return
    if not ended.succeeded:
        yield f"{ended.job} succeeded, and no attempt says so"
    counts = Counter(ended.train_steps)
    wanted = range(1, reference.steps + 1)
    if missing := [step for step in wanted if step not in counts]:
        yield f"{ended.job} has no metric of {len(missing)} steps, the first {missing[0]}"
    if doubled := [step for step, times in counts.items() if times > 1]:
        yield f"{ended.job} has {len(doubled)} steps twice, the first {doubled[0]}"
    if beyond := [step for step in counts if step not in wanted]:
        yield f"{ended.job} has steps that it never was to do: {beyond[:5]}"
    if ended.sha256 != reference.sha256:
        yield f"{ended.job} ended with weights {ended.sha256}, undisturbed {reference.sha256}"


def _left(left: Left, submitted: list[Submitted]) -> Iterator[str]:
    keys = {record.key for record in submitted}
    jobs = {record.job for record in submitted}
    for job in sorted(jobs - set(left.jobs)):
        yield f"{job} is not listed"
    names = Counter(name for name in left.jobs.values() if name in keys)
    for name, times in names.items():
        if times > 1:
            yield f"key {name} made {times} jobs"
    for line in left.processes:
        yield f"a process is left: {line}"
    if left.cpus_free != left.cpus:
        yield f"{left.cpus - left.cpus_free:g} CPUs are still reserved"
