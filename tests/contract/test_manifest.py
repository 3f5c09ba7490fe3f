"""Promises of a manifest: all of its files are there and right, or the reader is told."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from trainer.contract import manifest
from trainer.contract.manifest import Damaged, Manifest
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import AlreadyExists, NoSuchObject, Piece

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


@pytest.fixture
def committed(store: LocalStore, tmp_path: Path) -> Manifest:
    (tmp_path / "weights").write_bytes(b"w" * 1000)
    (tmp_path / "state").write_bytes(b"{}")
    files = {"weights": tmp_path / "weights", "state": tmp_path / "state"}
    return manifest.commit(store, "at", files, {"step": 7}, at=NOW)


def test_what_was_committed_is_fetched(
    store: LocalStore, committed: Manifest, tmp_path: Path
) -> None:
    found = manifest.read(store, "at")
    assert found == committed
    assert found.meta == {"step": 7}
    (tmp_path / "into").mkdir()
    paths = manifest.fetch(store, "at", found, tmp_path / "into")
    assert paths["weights"].read_bytes() == b"w" * 1000
    assert set(paths) == {"weights", "state"}


def test_a_file_in_pieces_is_committed_as_one_that_lies_on_a_disk(
    store: LocalStore, committed: Manifest
) -> None:
    pieces: list[Piece] = [b"w" * 999, memoryview(b"w"), b""]
    again = manifest.commit(store, "other", {"weights": pieces, "state": [b"{}"]}, {}, at=NOW)
    assert again.files == committed.files
    assert store.get("other/weights") == store.get("at/weights")


def test_files_without_a_manifest_are_not_there(store: LocalStore) -> None:
    store.put("at/weights", b"half of a checkpoint")
    assert list(manifest.prefixes(store, "")) == []
    with pytest.raises(NoSuchObject):
        manifest.read(store, "at")


@pytest.mark.usefixtures("committed")
def test_a_manifest_is_committed_once(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(AlreadyExists):
        manifest.commit(store, "at", {"weights": tmp_path / "weights"}, {}, at=NOW)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "longer", "missing", "swapped"])
def test_every_damage_is_found(
    store: LocalStore, committed: Manifest, tmp_path: Path, damage: str
) -> None:
    whole = store.get("at/weights")
    match damage:
        case "flipped":
            store.put("at/weights", bytes([whole[0] ^ 1]) + whole[1:])
        case "truncated":
            store.put("at/weights", whole[:-1])
        case "longer":
            store.put("at/weights", whole + b"w")
        case "missing":
            store.delete("at/weights")
        case "swapped":
            store.put("at/weights", store.get("at/state"))
    with pytest.raises(Damaged):
        manifest.fetch(store, "at", committed, tmp_path)


def test_a_manifest_that_cannot_be_read_is_damage(store: LocalStore) -> None:
    store.put("at/manifest.json", b'{"files": [')
    with pytest.raises(Damaged):
        manifest.read(store, "at")


@pytest.mark.usefixtures("committed")
def test_whatever_bit_of_a_manifest_changes_it_is_found(store: LocalStore) -> None:
    data = store.get("at/manifest.json")
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            store.put("at/manifest.json", bytes(flipped))
            with pytest.raises(Damaged):
                manifest.read(store, "at")


def test_a_manifest_of_an_earlier_version_has_no_seal_and_is_read(
    store: LocalStore, committed: Manifest
) -> None:
    store.put("at/manifest.json", committed.model_dump_json().encode())
    assert manifest.read(store, "at") == committed


def test_a_file_can_be_checked_where_it_lies(store: LocalStore, committed: Manifest) -> None:
    entry = committed.files[0]
    assert manifest.is_whole(store, "at", entry)
    store.put("at/weights", b"v" * 1000)
    assert not manifest.is_whole(store, "at", entry)
    store.delete("at/weights")
    assert not manifest.is_whole(store, "at", entry)
