"""Old backups go, and nothing goes that a newer one needs."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.backup import place, removing
from service.backup.place import BACKUPS, Unusable
from tests.backup.making import backed_up, contents, restored
from tests.backup.test_places import trained
from tests.reconcile.world import World
from trainer.contract.manifest import MANIFEST
from trainer.contract.objects.local import LocalStore

IMAGE = "inputs/default/photos/a.png"


@pytest.fixture
def kept(world: World, tmp_path: Path) -> LocalStore:
    """Three backups, a job more in each of the first two, and in each another image at one place."""
    for second in range(3):
        if second < 2:
            trained(world, second + 1, tmp_path)
        world.objects.put(IMAGE, image(second))
        backed_up(world.engine, world.objects, tmp_path / "kept", at=second)
    return LocalStore(tmp_path / "kept")


def image(second: int) -> bytes:
    return f"image {second}".encode()


def has(kept: LocalStore, second: int) -> bool:
    """Whether the image of that backup is still there."""
    return hashlib.sha256(image(second)).hexdigest() in place.contents(kept)


def test_the_newest_stay_and_can_be_brought_back(
    kept: LocalStore, world: World, other: Engine, tmp_path: Path
) -> None:
    first, *newest = place.backups(kept)
    removed = removing.all_but(kept, 2)
    assert (removed.names, removed.objects, removed.bytes) == ((first,), 1, len(image(0)))
    assert place.backups(kept) == newest
    assert [has(kept, second) for second in range(3)] == [False, True, True]
    assert not list(kept.list(f"{BACKUPS}{first}/"))
    there = contents(world.objects)
    restored(kept.root, other, LocalStore(tmp_path / "new"))
    assert contents(LocalStore(tmp_path / "new")) == there


def test_fewer_than_that_all_stay(kept: LocalStore) -> None:
    before = contents(kept)
    assert removing.all_but(kept, 3) == removing.all_but(kept, 9) == removing.Removed((), 0, 0)
    assert contents(kept) == before


def test_a_removal_that_was_interrupted_is_finished_by_the_next(kept: LocalStore) -> None:
    first, second, newest = place.backups(kept)
    kept.delete(f"{BACKUPS}{first}/{MANIFEST}")
    later = f"{BACKUPS}9{newest[1:]}/{place.DATABASE}"  # it has not come to its end
    kept.put(later, b"rows")
    assert removing.all_but(kept, 1).names == (second,)
    assert {found.key.split("/")[1] for found in kept.list(BACKUPS)} == {
        newest,
        later.split("/")[1],
    }
    assert [has(kept, second) for second in range(3)] == [False, False, True]


def test_nothing_is_removed_beside_a_damaged_one(kept: LocalStore) -> None:
    kept.put(f"{BACKUPS}{place.backups(kept)[-1]}/{place.OBJECTS}", b"damaged")
    before = contents(kept)
    with pytest.raises(Unusable, match="damaged"):
        removing.all_but(kept, 1)
    assert contents(kept) == before


def test_the_last_one_is_never_removed(kept: LocalStore) -> None:
    with pytest.raises(ValueError, match="at least one"):
        removing.all_but(kept, 0)
    assert len(place.backups(kept)) == 3
