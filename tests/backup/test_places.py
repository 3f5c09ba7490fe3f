"""Several backups in one place; damaged ones, and targets that are not empty, are refused."""

import gzip
import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.backup import database, place
from service.backup.place import Unusable
from service.backup.restoring import NotEmpty
from service.cluster.cluster import Sighting
from service.deployments.store import DeploymentStore
from service.lifecycle import State
from tests.backup.making import backed_up, contents, restored
from tests.jobs.making import begin, save_checkpoint, succeed
from tests.reconcile.world import World
from trainer.contract import attempts, layout
from trainer.contract.attempts import Order, Outcome
from trainer.contract.names import submission_id
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code


def trained(world: World, number: int, folder: Path) -> str:
    job = world.submit(number)
    world.tick()
    begin(world.objects, job.id, 1)
    prefix = save_checkpoint(world.objects, job.id, 1, 5, folder)
    succeed(world.objects, job.id, 1, step=5)
    world.tick(2)
    assert world.state(job) is State.SUCCEEDED
    return prefix


def test_what_has_not_changed_is_copied_once(world: World, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    trained(world, 1, tmp_path)
    first = backed_up(world.engine, world.objects, kept)
    trained(world, 2, tmp_path)
    second = backed_up(world.engine, world.objects, kept, at=1)
    third = backed_up(world.engine, world.objects, kept, at=2)
    assert first.added > 0
    assert 0 < second.added < second.meta.objects
    assert (third.added, third.meta.objects) == (0, second.meta.objects)
    assert place.backups(LocalStore(kept)) == [first.name, second.name, third.name]


def test_an_earlier_backup_can_be_had_by_its_name(
    world: World, other: Engine, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    trained(world, 1, tmp_path)
    first = backed_up(world.engine, world.objects, kept)
    trained(world, 2, tmp_path)
    backed_up(world.engine, world.objects, kept, at=1)
    restored(kept, other, LocalStore(tmp_path / "new"), name=first.name)
    assert len(World(other, LocalStore(tmp_path / "new")).jobs.page("default").items) == 1
    with pytest.raises(Unusable, match=f"no backup yesterday; there are {first.name}, "):
        place.find(LocalStore(kept), "yesterday")


@pytest.mark.parametrize("how", ["changed", "cut off", "missing"])
def test_a_damaged_backup_is_refused_with_the_objects_name_before_anything_is_written(
    world: World, other: Engine, tmp_path: Path, how: str
) -> None:
    prefix = trained(world, 1, tmp_path)
    backed_up(world.engine, world.objects, tmp_path / "kept")
    key = f"{prefix}/model.safetensors"
    store = LocalStore(tmp_path / "kept")
    (entry,) = (e for e in place.index(store, place.find(store)) if e.key == key)
    at = place.content(entry.sha256)
    match how:
        case "changed":
            store.put(at, b"Weights" + store.get(at)[7:])
        case "cut off":
            store.put(at, store.get(at)[:-1])
        case _:
            store.delete(at)
    new = LocalStore(tmp_path / "new")
    with pytest.raises(Unusable, match=key):
        restored(tmp_path / "kept", other, new)
    assert database.is_empty(other)
    assert contents(new) == {}


@pytest.mark.parametrize("name", [place.DATABASE, place.OBJECTS, "manifest.json"])
def test_a_backup_whose_own_files_are_damaged_is_refused(
    world: World, other: Engine, tmp_path: Path, name: str
) -> None:
    made = backed_up(world.engine, world.objects, tmp_path / "kept")
    store = LocalStore(tmp_path / "kept")
    key = f"{place.BACKUPS}{made.name}/{name}"
    body = bytearray(store.get(key))
    body[len(body) // 2] ^= 1
    store.put(key, bytes(body))
    with pytest.raises(Unusable, match=key):
        restored(tmp_path / "kept", other, LocalStore(tmp_path / "new"))


def test_a_backup_that_was_not_made_to_its_end_is_none(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(f"{place.BACKUPS}20260101T000000.000000Z/{place.DATABASE}", b"so far")
    with pytest.raises(Unusable, match="no backup"):
        place.find(store)


def test_a_backup_of_a_later_version_is_refused(
    world: World, other: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("service.backup.database.migrate.head", lambda: "9999")
        backed_up(world.engine, world.objects, tmp_path / "kept")
    with pytest.raises(Unusable, match="revision 9999"):
        restored(tmp_path / "kept", other, LocalStore(tmp_path / "new"))


def test_damage_in_the_store_itself_is_named_and_left_out(world: World, tmp_path: Path) -> None:
    prefix = trained(world, 1, tmp_path)
    world.objects.put(f"{prefix}/model.safetensors", b"something else")
    made = backed_up(world.engine, world.objects, tmp_path / "kept")
    assert f"{prefix}/model.safetensors is not what its manifest says" in made.damaged
    assert any("no whole the best checkpoint of job-00001" in said for said in made.damaged)


def test_what_is_there_is_not_written_over_unless_that_is_asked_for(
    world: World, other: Engine, tmp_path: Path
) -> None:
    trained(world, 1, tmp_path)
    backed_up(world.engine, world.objects, tmp_path / "kept")
    new = World(world.engine, LocalStore(tmp_path / "new"))
    with pytest.raises(NotEmpty, match="the database has rows already"):
        restored(tmp_path / "kept", world.engine, new.objects)
    with pytest.raises(NotEmpty, match="the object store has jobs or models already"):
        restored(tmp_path / "kept", other, world.objects)
    had = contents(world.objects)
    trained(world, 2, tmp_path)
    restored(tmp_path / "kept", world.engine, world.objects, over=True)
    assert [job.id for job in world.jobs.page("default").items] == ["job-00001"]
    assert contents(world.objects) == had


def test_a_job_at_work_goes_on_from_its_newest_checkpoint_and_its_old_attempt_counts_no_more(
    world: World, other: Engine, tmp_path: Path
) -> None:
    job = world.run(world.submit())
    save_checkpoint(world.objects, job.id, 1, 5, tmp_path)
    backed_up(world.engine, world.objects, tmp_path / "kept")
    new = World(other, LocalStore(tmp_path / "new"))
    done = restored(tmp_path / "kept", other, new.objects)
    assert done.closed == 1
    assert succeed(new.objects, job.id, 1, step=9).status == "given_up"  # it comes too late
    new.tick(3)
    now = new.see(job)
    assert (now.state, now.attempt, now.retries) == (State.STARTING, 2, 0)
    order = attempts.read(new.objects, layout.order(job.id, 2), Order)
    assert order is not None
    assert order.resume_attempts == (1,)
    assert new.objects.get(layout.checkpoint(job.id, 1, 5) + "/manifest.json")


def test_attempts_that_the_backup_does_not_know_count_no_more(world: World, tmp_path: Path) -> None:
    job = world.run(world.submit())
    save_checkpoint(world.objects, job.id, 1, 5, tmp_path)
    backed_up(world.engine, world.objects, tmp_path / "kept")
    world.cluster.submissions[submission_id(job.id, 1)] = Sighting.ENDED
    world.tick(4)
    begin(world.objects, job.id, 2, step=5, of=1)
    world.cluster.submissions[submission_id(job.id, 2)] = Sighting.RUNNING
    world.tick()
    assert world.see(job).attempt == 2
    restored(tmp_path / "kept", world.engine, world.objects, over=True)
    late = succeed(world.objects, job.id, 2, step=9)
    assert late.status == "given_up"
    assert late.reason is not None
    assert late.reason.code is Code.CLUSTER_RESTARTED
    world.restart()
    world.tick(60)  # also until its old processes are stopped
    assert world.see(job).attempt == 3
    assert world.cluster.submissions[submission_id(job.id, 2)] is Sighting.ENDED
    assert attempts.read(world.objects, layout.outcome(job.id, 3), Outcome) is None


def test_tables_of_an_earlier_version_are_brought_up_to_date(other: Engine, tmp_path: Path) -> None:
    desired = {"version": 1, "alias": None, "replicas": {"min": 1, "max": 1}}
    row = {"project": "default", "name": "digits", "desired": desired, "serving_version": 1}
    row |= {"actual": None, "message": None, "changed_at": "2026-01-01T00:00:00+00:00"}
    with gzip.open(tmp_path / "old", "wt") as file:
        file.write(json.dumps({"table": "deployments", "row": row}))
    database.load(other, tmp_path / "old", "0005")
    (found,) = DeploymentStore(other).all()
    assert (found.serving_version, found.canary) == (1, None)
