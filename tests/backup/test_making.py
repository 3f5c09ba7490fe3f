"""A backup is made of a service at work: it is whole, and holds nothing twice."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.backup.making import backed_up, restored
from tests.jobs.making import begin, point, save_checkpoint, succeed
from tests.reconcile.world import World
from trainer.contract import checkpoints, layout, lineage, manifest
from trainer.contract.journal import JournalWriter
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import ObjectStore

STEPS = 12


class Meanwhile:
    """A store of which every other use lets something else happen first, until nothing is left to."""

    def __init__(self, store: ObjectStore, happenings: Iterator[Callable[[], object]]) -> None:
        self._store, self._happenings, self._uses = store, happenings, count()
        self._one_at_a_time = Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def call(*given: Any, **named: Any) -> Any:
            with self._one_at_a_time:
                if next(self._uses) % 2 == 0:
                    next(self._happenings, lambda: None)()
            return found(*given, **named)

        return call


def life(world: World, folder: Path) -> Iterator[Callable[[], object]]:
    """A job from its submission to the success of its second attempt, in small steps. It drops each
    checkpoint as soon as it has the next one. Another job is deleted meanwhile."""
    old = world.submit(2)
    yield partial(world.jobs.cancel, "default", old.id)
    job = world.submit(1)
    yield partial(world.tick, 2)
    yield from training(world, job.id, 1, range(1, 7), folder)
    world.cluster.submissions.clear()  # Ray forgets it, so a second attempt goes on
    yield partial(world.tick, 4)
    yield partial(world.jobs.delete, "default", old.id)
    yield partial(world.tick, 12)
    yield from training(world, job.id, 2, range(7, 13), folder)
    yield partial(succeed, world.objects, job.id, 2, step=12)
    yield partial(world.tick, 4)


def training(
    world: World, job_id: str, attempt: int, steps: range, folder: Path
) -> Iterator[Callable[[], object]]:
    """As training does it: the points of a step are there before its checkpoint."""
    earlier = attempt - 1
    yield partial(begin, world.objects, job_id, attempt, step=steps[0] - 1, of=earlier or None)
    journal = JournalWriter(world.objects, layout.metrics(job_id, attempt))
    before = layout.checkpoint(job_id, earlier, steps[0] - 1)
    for step in steps:
        point_ = point(step).model_dump(mode="json")
        if step % 2:
            yield partial(journal.append, [point_])
            continue

        def save(step: int = step, point_: dict[str, Any] = point_) -> None:
            journal.append([point_])
            save_checkpoint(world.objects, job_id, attempt, step, folder)

        yield save
        yield partial(lineage.drop, world.objects, before)
        before = layout.checkpoint(job_id, attempt, step)


@pytest.mark.parametrize("begins_at", [*range(3, 13), 19, 27])
def test_whatever_happens_meanwhile_nothing_is_believed_that_is_not_there(
    world: World, other: Engine, tmp_path: Path, begins_at: int
) -> None:
    happenings = life(world, tmp_path)
    for _ in range(begins_at):
        next(happenings, lambda: None)()
    made = backed_up(world.engine, Meanwhile(world.objects, happenings), tmp_path / "kept")
    assert made.damaged == ()
    new = World(other, LocalStore(tmp_path / "new"))
    restored(tmp_path / "kept", other, new.objects)
    for prefix in manifest.prefixes(new.objects, layout.job("")):
        found = checkpoints.read(new.objects, prefix)
        assert all(manifest.is_whole(new.objects, prefix, entry) for entry in found.manifest.files)
    for job in new.jobs.page("default").items:
        if job.result and job.result.best:
            best = layout.checkpoint(job.id, job.result.best.attempt, job.result.best.step)
            checkpoints.read(new.objects, best)
        below = layout.job(job.id) + "/"
        numbers = {found.key.removeprefix(below).split("/")[0] for found in new.objects.list(below)}
        assert numbers <= {str(number) for number in range(1, job.attempt + 1)}
        came = lineage.lineage(new.objects, job.id, range(1, job.attempt + 1))
        points = new.jobs.history.metrics(job.id, job.attempt)
        assert {one.step for one in points} >= set(range(1, came[0].step + 1 if came else 1))


def test_what_is_deleted_meanwhile_is_not_in_it(
    world: World, other: Engine, tmp_path: Path
) -> None:
    stays, goes = world.submit(1), world.submit(2, labels={"team": "vision"})
    begin(world.objects, goes.id, 1)
    world.jobs.cancel("default", goes.id)
    world.reconciler.tick()
    happenings = iter([partial(world.jobs.delete, "default", goes.id)])
    made = backed_up(world.engine, Meanwhile(world.objects, happenings), tmp_path / "kept")
    assert made.meta.jobs == 1
    new = World(other, LocalStore(tmp_path / "new"))
    restored(tmp_path / "kept", other, new.objects)
    assert [job.id for job in new.jobs.page("default").items] == [stays.id]
    assert list(new.objects.list(layout.job(goes.id))) == []
