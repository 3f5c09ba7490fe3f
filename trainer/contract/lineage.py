"""Which checkpoints led to where a job is, and which of them stay. A resumed attempt, the keeper of an
attempt's checkpoints and the service's sweeper go by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.contract import attempts, layout, manifest
from trainer.contract.attempts import Started
from trainer.contract.objects.store import ObjectStore
from trainer.contract.spec import KeepCheckpoints


@dataclass(frozen=True)
class Place:
    """Where an attempt put a checkpoint, or began to."""

    job_id: str
    attempt: int
    step: int
    committed: bool = True
    """Whether it has a manifest."""

    @property
    def prefix(self) -> str:
        return layout.checkpoint(self.job_id, self.attempt, self.step)

    def __str__(self) -> str:
        return f"step {self.step} of attempt {self.attempt}"


def places(store: ObjectStore, job_id: str, attempt: int) -> list[Place]:
    """Where there is anything of a checkpoint of an attempt, lowest step first."""
    folder = layout.checkpoints(job_id, attempt) + "/"
    committed: dict[int, bool] = {}
    for found in store.list(folder):
        step, _, name = found.key.removeprefix(folder).partition("/")
        if step.isdecimal():
            is_manifest = name == manifest.MANIFEST
            committed[int(step)] = is_manifest or committed.get(int(step), False)
    return [Place(job_id, attempt, step, committed=yes) for step, yes in sorted(committed.items())]


def lineage(
    store: ObjectStore, job_id: str, numbers: Sequence[int], *, last_step: int | None = None
) -> list[Place]:
    """Checkpoints of the attempts `numbers` (oldest first) that led to where the last of them is, up to
    `last_step`, newest first; also those that were begun and not committed.

    Where an attempt went on from an older checkpoint than its predecessor's newest, what the
    predecessor did after that belongs to a branch that was given up.
    """
    found: list[Place] = []
    for number in reversed(numbers):
        own = places(store, job_id, number)
        found += [one for one in reversed(own) if last_step is None or one.step <= last_step]
        started = attempts.read(store, layout.started(job_id, number), Started)
        if started is not None:
            before = started.resumed_step
            last_step = before if last_step is None else min(last_step, before)
    return found


def kept(errors: Mapping[int, float | None], keep: KeepCheckpoints) -> set[int]:
    """Which of the checkpoints stay: by step, with the validation top-1 error in percent, if it was
    measured. Of equal ones the earlier is the better."""
    measured = sorted((error, step) for step, error in errors.items() if error is not None)
    return {step for _, step in measured[: keep.best]} | set(sorted(errors)[-keep.last :])


def drop(store: ObjectStore, prefix: str) -> None:
    """Delete a checkpoint: its manifest first, so that a reader never meets half of one."""
    store.delete(f"{prefix}/{manifest.MANIFEST}")
    for found in list(store.list(f"{prefix}/")):
        store.delete(found.key)
