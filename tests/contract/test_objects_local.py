"""What only a directory promises: nothing half-written is seen, and what goes wrong has a name."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from trainer.contract.objects.local import STAGING, LocalStore
from trainer.contract.objects.store import StoreUnavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        LocalStore(tmp_path / "file").put("key", b"")


def test_a_file_that_cannot_be_read_is_not_said_to_be_missing(root: Path) -> None:
    store = LocalStore(root)
    (root / "loop").parent.mkdir()
    (root / "loop").symlink_to("loop")  # a root user may read everything, but not this
    with pytest.raises(StoreUnavailable, match="cannot read below"):
        store.get("loop")


def test_a_folder_is_no_object(root: Path) -> None:
    store = LocalStore(root)
    store.put("a/b", b"1")
    with pytest.raises(StoreUnavailable):
        store.put("a", b"2")
    assert store.get("a/b") == b"1"


def test_a_sweep_gives_up_what_a_killed_writer_left(root: Path) -> None:
    store = LocalStore(root)
    store.put("key", b"stays")
    old, young = root / STAGING / "old", root / STAGING / "young"
    for left in (old, young):
        left.write_bytes(b"half")
    two_hours_ago = time.time() - 7_200
    os.utime(old, (two_hours_ago, two_hours_ago))
    assert store.sweep(timedelta(hours=1)) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert [found.key for found in store.list("")] == ["key"]


def test_a_store_that_was_never_written_is_empty(root: Path) -> None:
    store = LocalStore(root)
    assert list(store.list("")) == []
    assert store.sweep(timedelta(0)) == 0
    assert store.presigned("key", timedelta(minutes=1)) is None
    store.delete("key")


def test_no_write_fails_because_another_emptied_its_folder(root: Path) -> None:
    store = LocalStore(root)

    def write_and_delete(writer: int) -> None:
        for number in range(100):
            store.put(f"a/b/{writer}", b"1")
            assert store.get(f"a/b/{writer}") == b"1"
            store.delete(f"a/b/{writer}")
            store.create(f"a/b/c/{writer}-{number}", b"2")
            store.delete(f"a/b/c/{writer}-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_and_delete, range(8)))
    assert [path.name for path in root.iterdir()] == [STAGING]
