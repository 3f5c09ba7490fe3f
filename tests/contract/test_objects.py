"""Promises of an object store, kept alike by a local directory and by SeaweedFS through S3."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract.seaweed import BUCKET, seaweed
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import (
    AlreadyExists,
    NoSuchObject,
    ObjectStore,
    StoreError,
    StoreUnavailable,
)


@pytest.fixture(scope="module")
def seaweed_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with (
        seaweed(tmp_path_factory.mktemp("seaweed")) as endpoint,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "residual")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "residual-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield open_store(f"s3://{BUCKET}/some/prefix")


@pytest.fixture(params=["local", "seaweed"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_store(f"file://{tmp_path}/objects")
    found: ObjectStore = request.getfixturevalue("seaweed_store")
    return found


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key of the test's own: the bucket is shared."""
    return f"{request.node.name.translate(str.maketrans('[]', '--'))}/object"


def test_what_was_put_is_what_is_got(store: ObjectStore, key: str) -> None:
    store.put(key, b"one")
    assert store.get(key) == b"one"
    store.put(key, b"two")
    assert store.get(key) == b"two"


def test_an_empty_object_is_an_object(store: ObjectStore, key: str) -> None:
    store.put(key, b"")
    assert store.get(key) == b""


def test_reading_from_a_position_gives_the_rest(store: ObjectStore, key: str) -> None:
    store.put(key, b"0123456789")
    assert store.get(key, start=7) == b"789"
    assert store.get(key, start=10) == b""


@pytest.mark.parametrize("read", ["get", "stream"])
def test_a_missing_object_is_said_to_be_missing(store: ObjectStore, key: str, read: str) -> None:
    with pytest.raises(NoSuchObject):
        getattr(store, read)(key)


def test_a_missing_object_is_not_downloaded(store: ObjectStore, key: str, tmp_path: Path) -> None:
    with pytest.raises(NoSuchObject):
        store.download(key, tmp_path / "file")


def test_create_never_overwrites(store: ObjectStore, key: str) -> None:
    store.create(key, b"first")
    with pytest.raises(AlreadyExists):
        store.create(key, b"second")
    assert store.get(key) == b"first"


def test_of_many_creators_exactly_one_wins(store: ObjectStore, key: str) -> None:
    def create(writer: int) -> int | None:
        try:
            store.create(key, str(writer).encode())
        except AlreadyExists:
            return None
        return writer

    with ThreadPoolExecutor(8) as pool:
        winners = [w for w in pool.map(create, range(8)) if w is not None]
    assert len(winners) == 1
    assert store.get(key) == str(winners[0]).encode()


def test_files_go_up_and_come_down_unchanged(store: ObjectStore, key: str, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(bytes(range(256)) * 40_000)  # 10 MB: several parts, several pieces
    store.upload(key, sent)
    store.download(key, received)
    assert received.read_bytes() == sent.read_bytes()
    assert b"".join(store.stream(key)) == sent.read_bytes()


def test_a_listing_has_each_object_below_its_prefix_once_and_in_order(
    store: ObjectStore, key: str
) -> None:
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


def test_deleting_is_final_and_can_be_repeated(store: ObjectStore, key: str) -> None:
    store.put(key, b"gone")
    store.delete(key)
    store.delete(key)
    with pytest.raises(NoSuchObject):
        store.get(key)


@pytest.mark.parametrize("outside", ["../secret", "/etc/passwd", "a/../../b", ""])
def test_no_key_leads_out_of_a_directory(tmp_path: Path, outside: str) -> None:
    with pytest.raises(StoreError):
        LocalStore(tmp_path / "objects").get(outside)


def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        LocalStore(tmp_path / "file").put("key", b"")


def test_a_store_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # discard: nobody listens
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(StoreUnavailable):
        open_store("s3://bucket/prefix").get("key")


@pytest.mark.parametrize("url", ["ftp://host/x", "/plain/path", "s3://", "file://host/x"])
def test_an_unknown_url_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(ValueError, match=r"file:///directory or s3://bucket"):
        open_store(url)
