"""Promises of an object store, kept alike by each of those that `conftest` names."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from pathlib import Path
from threading import Event

import pytest

from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import AlreadyExists, BadKey, NoSuchObject, ObjectStore

ODD_NAMES = (
    *(" x ", "%41", "*", "+", "a&b=c?d#e", "a'b", 'a"b', "a;b", "a:b", "a~", ".hidden", "..."),
    *("ä", "日本", "😀", "-", "_", "$1", "<xml>", "n" * 200),
)


def test_what_was_put_is_what_is_got(store: ObjectStore, key: str) -> None:
    store.put(key, b"one")
    assert store.get(key) == b"one"
    store.put(key, b"two")
    assert store.get(key) == b"two"


def test_an_empty_object_is_an_object(store: ObjectStore, key: str) -> None:
    store.put(key, b"")
    assert store.get(key) == b""
    assert store.get(key, start=5) == b""
    assert b"".join(store.stream(key)) == b""


def test_reading_from_a_position_gives_the_rest(store: ObjectStore, key: str) -> None:
    store.put(key, b"0123456789")
    assert store.get(key, start=7) == b"789"
    assert store.get(key, start=10) == b""
    assert store.get(key, start=11) == b""


@pytest.mark.parametrize(
    ("start", "stop", "part"),
    [(0, 1, b"0"), (3, 7, b"3456"), (9, 10, b"9"), (5, 99, b"56789"), (10, 12, b"")],
)
def test_a_range_is_what_lies_between(
    store: ObjectStore, key: str, start: int, stop: int, part: bytes
) -> None:
    store.put(key, b"0123456789")
    assert b"".join(store.stream(key, start, stop)) == part


def test_a_large_range_comes_in_pieces(store: ObjectStore, key: str) -> None:
    body = bytes(range(256)) * 20_000  # 5 MB
    store.put(key, body)
    pieces = list(store.stream(key, 1_000, 4_000_000))
    assert b"".join(pieces) == body[1_000:4_000_000]
    assert max(map(len, pieces)) <= 1 << 20


@pytest.mark.parametrize("read", ["get", "stream"])
def test_a_missing_object_is_said_to_be_missing(store: ObjectStore, key: str, read: str) -> None:
    with pytest.raises(NoSuchObject):
        getattr(store, read)(key)
    with pytest.raises(NoSuchObject):
        getattr(store, read)(key, 5)


def test_a_missing_object_is_not_downloaded(store: ObjectStore, key: str, tmp_path: Path) -> None:
    with pytest.raises(NoSuchObject):
        store.download(key, tmp_path / "file")


def test_create_never_overwrites(store: ObjectStore, key: str) -> None:
    store.create(key, b"first")
    with pytest.raises(AlreadyExists):
        store.create(key, b"second")
    assert store.get(key) == b"first"
    store.delete(key)
    store.create(key, b"third")
    assert store.get(key) == b"third"


def test_files_go_up_and_come_down_unchanged(store: ObjectStore, key: str, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(bytes(range(256)) * 140_000)  # 36 MB: three parts
    store.upload(key, sent)
    store.download(key, received)
    assert _digest(received.read_bytes()) == _digest(sent.read_bytes())
    assert _digest(store.get(key)) == _digest(sent.read_bytes())


@pytest.mark.parametrize("sizes", [(), (0,), (5, 0, 7), (1 << 20, 3), (20 << 20, 16 << 20, 1)])
def test_what_is_written_in_pieces_is_what_they_make_together(
    store: ObjectStore, key: str, sizes: tuple[int, ...]
) -> None:
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    store.put(key, b"before")
    store.write(key, (memoryview(piece) for piece in pieces))
    assert _digest(store.get(key)) == _digest(b"".join(pieces))


def test_pieces_that_end_in_an_error_leave_what_was_there(store: ObjectStore, key: str) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(20 << 20)
        raise MemoryError

    store.put(key, b"before")
    with pytest.raises(MemoryError):
        store.write(key, broken())
    assert store.get(key) == b"before"


def test_who_reads_while_another_overwrites_gets_all_of_one(store: ObjectStore, key: str) -> None:
    versions = [bytes([number]) * 3_000_000 for number in range(4)]
    store.put(key, versions[0])
    done = Event()

    def overwrite() -> None:
        for version in versions * 3:
            store.put(key, version)
        done.set()

    def read() -> set[bytes]:
        seen = set()
        while not done.is_set():
            seen.add(store.get(key))
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        overwrite()
        seen = set().union(*(reader.result() for reader in readers))
    assert seen
    assert seen <= set(versions)


def test_what_is_read_in_pieces_stays_of_one_version(store: ObjectStore, key: str) -> None:
    old = bytes(range(256)) * 20_000  # 5 MB
    store.put(key, old)
    pieces = store.stream(key)
    begun = list(islice(pieces, 1))
    store.put(key, b"new" * 2_000_000)
    assert _digest(b"".join([*begun, *pieces])) == _digest(old)


def test_a_listing_has_each_object_below_its_prefix_once(store: ObjectStore, key: str) -> None:
    names = [f"{key}/{name}" for name in ("b/2", "a", "b/1", "c")]
    for name in names:
        store.put(name, b"1234")
    store.put(f"{key}x", b"")
    assert [found.key for found in store.list(f"{key}/")] == sorted(names)
    assert [found.key for found in store.list(f"{key}/b/")] == [f"{key}/b/1", f"{key}/b/2"]
    assert {found.size for found in store.list(f"{key}/")} == {4}
    assert list(store.list(f"{key}/nothing/")) == []


def test_a_listing_goes_over_many_pages(store: ObjectStore, key: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.put(f"{key}/{i:04d}", b""), range(1_100)))
    assert [found.key for found in store.list(f"{key}/")] == [
        f"{key}/{i:04d}" for i in range(1_100)
    ]


def test_odd_names_are_names_like_any_other(store: ObjectStore, key: str) -> None:
    for name in ODD_NAMES:
        store.put(f"{key}/{name}", name.encode())
        store.put(f"{key}/{name}-folder/x", b"below")
    for name in ODD_NAMES:
        assert store.get(f"{key}/{name}") == name.encode()
    listed = [found.key for found in store.list(f"{key}/")]
    assert sorted(listed) == sorted(
        f"{key}/{name}" for odd in ODD_NAMES for name in (odd, f"{odd}-folder/x")
    )
    siblings = [name for name in listed if name.count("/") == key.count("/") + 1]
    assert siblings == sorted(siblings)
    for name in ODD_NAMES:
        store.delete(f"{key}/{name}")
    assert len(list(store.list(f"{key}/"))) == len(ODD_NAMES)


@pytest.mark.parametrize(
    "bad",
    [
        *("", "/", "a/", "/etc/passwd", "a//b", "../secret", "a/../../b", "./a", "a/.", ".."),
        *("a\\b", "a\nb", "a\0b", "\ud800", "n" * 256, "long/" * 200 + "x", ".staging/x"),
    ],
)
def test_a_key_that_stores_take_differently_is_taken_by_none(store: ObjectStore, bad: str) -> None:
    with pytest.raises(BadKey):
        store.put(bad, b"")
    with pytest.raises(BadKey):
        store.create(bad, b"")
    with pytest.raises(BadKey):
        store.get(bad)
    with pytest.raises(BadKey):
        store.delete(bad)


def test_deleting_is_final_and_can_be_repeated(store: ObjectStore, key: str) -> None:
    store.put(key, b"gone")
    store.delete(key)
    store.delete(key)
    with pytest.raises(NoSuchObject):
        store.get(key)


def test_a_sweep_leaves_what_is_young_and_every_object(store: ObjectStore, key: str) -> None:
    store.put(key, b"stays")
    assert store.sweep(timedelta(hours=1)) == 0
    assert store.get(key) == b"stays"


@pytest.mark.parametrize("url", ["ftp://host/x", "/plain/path", "s3://", "file://host/x"])
def test_an_unknown_url_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(ValueError, match=r"file:///directory or s3://bucket"):
        open_store(url)


def _digest(body: bytes | Iterator[bytes]) -> str:
    """Shorter to compare, and to show, than megabytes."""
    return hashlib.sha256(body if isinstance(body, bytes) else b"".join(body)).hexdigest()
