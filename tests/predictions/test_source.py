"""A folder of the object store: listed once, and each object is a row, whatever it is."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.predictions.attempts import JOB, SOURCE, files, order, registered, rows, run
from tests.serving.pictures import png
from tests.serving.versions import probabilities, write_checkpoint
from trainer.contract import layout
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import StoredObject
from trainer.contract.prediction import MAX_FILE_BYTES, ResolvedPrediction
from trainer.predictions import listing, reading
from trainer.predictions.listing import fixed

PREFIX = layout.inputs("default", SOURCE)


@pytest.fixture
def filled(store: LocalStore) -> LocalStore:
    """Five pictures, and what is none."""
    for number in range(5):
        store.put(f"{PREFIX}/day-1/{number}.png", png(number))
    store.put(f"{PREFIX}/notes.txt", b"it rained")
    store.put(f"{PREFIX}/cut.png", png(9)[:60])
    store.put(f"{PREFIX}-2/other.png", png(1))
    return store


def spec(store: LocalStore) -> ResolvedPrediction:
    found = order(registered(store), source=SOURCE).spec
    assert isinstance(found, ResolvedPrediction)
    return found


def test_a_file_that_is_no_image_is_a_row_with_its_error_and_no_failure(filled: LocalStore) -> None:
    ended = run(filled, order(registered(filled), source=SOURCE, rows_per_file=4, batch_size=3))
    assert ended.predictions is not None
    assert (ended.predictions.images, ended.predictions.errors, ended.predictions.files) == (
        7,
        2,
        2,
    )
    found = {row["file"]: row for row in rows(filled)}
    assert list(found) == ["cut.png", *(f"day-1/{n}.png" for n in range(5)), "notes.txt"]
    for name in ("cut.png", "notes.txt"):
        row = found[name]
        assert (row["labels"], row["indices"], row["probabilities"]) == (None, None, None)
    assert "damaged or cut short" in found["cut.png"]["error"]
    assert "send a JPEG, PNG or WebP" in found["notes.txt"]["error"]
    assert found["day-1/3.png"]["error"] is None
    assert found["day-1/3.png"]["sha256"] == hashlib.sha256(png(3)).hexdigest()


def test_each_image_is_prepared_and_classified_as_if_it_were_served(filled: LocalStore) -> None:
    written = write_checkpoint(filled, "job-0")
    run(filled, order(registered(filled), source=SOURCE, top_k=10))
    row = next(row for row in rows(filled) if row["file"] == "day-1/2.png")
    expected = probabilities(written, png(2))
    for index, probability in zip(row["indices"], row["probabilities"], strict=True):
        assert probability == pytest.approx(expected[index], rel=1e-4)


def test_what_comes_later_is_not_in_it(filled: LocalStore) -> None:
    what = spec(filled)
    first = fixed(filled, JOB, what)
    filled.put(f"{PREFIX}/day-0/new.png", png(7))
    assert fixed(filled, JOB, what) == first
    assert [one.name for one in first.files][:2] == ["cut.png", "day-1/0.png"]
    assert first.images == len(first.files) == 7


def test_of_two_attempts_that_list_at_once_one_wins(
    filled: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = listing._listed

    def late(store: LocalStore, prefix: str) -> object:
        mine = listed(store, prefix)
        monkeypatch.setattr(listing, "_listed", listed)
        filled.put(f"{PREFIX}/zebra.png", png(7))
        fixed(filled, JOB, spec(filled))  # another attempt is faster, and sees more
        return mine

    monkeypatch.setattr(listing, "_listed", late)
    assert fixed(filled, JOB, spec(filled)).files[-1].name == "zebra.png"


def test_an_object_that_stands_for_a_folder_is_no_file(filled: LocalStore) -> None:
    class Console(LocalStore):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            yield StoredObject(f"{PREFIX}/", 0)
            yield StoredObject(f"{PREFIX}/day-1/", 0)
            yield from super().list(prefix)

    assert fixed(Console(filled.root), JOB, spec(filled)).images == 7


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda store: store.delete(f"{PREFIX}/day-1/1.png"), "was removed after it was listed"),
        (
            lambda store: store.put(f"{PREFIX}/day-1/1.png", b"x"),
            "when it was listed, and has 1 now",
        ),
    ],
)
def test_a_file_that_changed_since_it_was_listed_is_a_row_that_says_so(
    filled: LocalStore, change: object, says: str
) -> None:
    what = order(registered(filled), source=SOURCE)
    fixed(filled, JOB, spec(filled))
    assert callable(change)
    change(filled)
    run(filled, what)
    row = next(row for row in rows(filled) if row["file"] == "day-1/1.png")
    assert says in row["error"]


def test_a_file_that_is_too_large_is_not_read(
    filled: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 1 << 20)
    filled.put(f"{PREFIX}/day-1/huge.png", bytes((1 << 20) + 1))
    run(filled, order(registered(filled), source=SOURCE))
    row = next(row for row in rows(filled) if row["file"] == "day-1/huge.png")
    assert "at most 1 MiB are read" in row["error"]
    assert row["sha256"] is None
    assert MAX_FILE_BYTES > 1 << 20


def test_the_same_images_give_the_same_bytes_in_another_store(filled: LocalStore) -> None:
    run(filled, order(registered(filled), source=SOURCE, rows_per_file=3))
    other = LocalStore(filled.root.with_name("other"))
    for one in filled.list(f"{PREFIX}/"):
        other.put(one.key, filled.get(one.key))
    run(other, order(registered(other), source=SOURCE, rows_per_file=3))
    assert files(other) == files(filled)


def test_a_folder_that_was_emptied_is_a_prediction_of_no_images(store: LocalStore) -> None:
    ended = run(store, order(registered(store), source=SOURCE))
    assert ended.predictions is not None
    assert (ended.status, ended.predictions.images, ended.predictions.files) == ("succeeded", 0, 0)
