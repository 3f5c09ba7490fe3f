"""Promises of loading: a data set is what its description says, or a sentence says how to mend it."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server

import pytest
import torch
from torchvision.datasets import FashionMNIST

from trainer.contract import layout, manifest
from trainer.contract.datasets import DATASETS, DatasetInfo
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import NoSuchObject
from trainer.data import bundled, download, stored
from trainer.data.dataset import Raw, Split, fingerprint
from trainer.data.load import DataCorrupt, DatasetUnavailable, load, raw

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORIGINALS = Path(bundled.__file__).parent / "fashion_mnist_mini"

SMALL = DATASETS["fashion-mnist"].model_copy(update={"train_images": 5_000, "val_images": 1_000})
"""A set that is downloaded, of the size of the one that is bundled."""


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torchvision's Fashion-MNIST comes from this machine, and is the subset."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    names = [path.name for path in sorted(ORIGINALS.glob("*.gz"))]
    sums = [hashlib.md5((ORIGINALS / name).read_bytes()).hexdigest() for name in names]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ORIGINALS)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(FashionMNIST, "resources", list(zip(names, sums, strict=True)))
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["fashion-mnist-mini", "digits", "synthetic"])
def test_a_data_set_is_what_its_description_says(name: str, store: LocalStore) -> None:
    info = DATASETS[name]
    dataset = load(info, store)
    for images, count in ((dataset.train, info.train_images), (dataset.val, info.val_images)):
        assert images.pixels.shape == (count, 3, info.input_size, info.input_size)
        assert images.pixels.dtype == torch.uint8
        per_class = torch.bincount(images.labels)
        assert len(per_class) == len(info.classes)
        assert per_class.max() <= 1.1 * per_class.min()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("fashion-mnist-mini", "d6860713"), ("digits", "aeb2dd6f"), ("synthetic", "4190fca0")],
)
def test_a_data_set_is_the_same_on_every_machine(
    name: str, expected: str, store: LocalStore
) -> None:
    assert load(DATASETS[name], store).fingerprint.startswith(expected)


@pytest.mark.parametrize("size", [8, 24, 48])
def test_images_come_at_the_size_that_is_asked_for(size: int, store: LocalStore) -> None:
    dataset = load(DATASETS["digits"], store, input_size=size)
    assert dataset.transform.input_size == size
    for images in (dataset.train, dataset.val):
        assert images.pixels.shape[1:] == (3, size, size)
        assert images.channels.shape[1] == 1  # grey, and once in memory
    assert dataset.fingerprint == load(DATASETS["digits"], store).fingerprint


def test_raw_images_are_as_they_come(store: LocalStore) -> None:
    found, own = raw(DATASETS["digits"], store), bundled.digits()
    assert fingerprint(found) == fingerprint(own)
    assert found.train.images.shape == (1_437, 8, 8)


def test_digits_in_training_are_not_in_validation() -> None:
    train, val = bundled.digits()
    seen = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in seen for image in val.images)


def test_any_other_pixel_label_or_split_is_another_fingerprint() -> None:
    def raw(pixel: int = 0, label: int = 0, count: int = 2) -> Raw:
        images = torch.zeros(4, 2, 2, dtype=torch.uint8)
        images[3, 1, 1] = pixel
        labels = torch.tensor([0, 0, 0, label])
        cut = (slice(count), slice(count, None))
        return Raw(*(Split(images[part], labels[part]) for part in cut))

    prints = [fingerprint(one) for one in (raw(), raw(pixel=1), raw(label=1), raw(count=1))]
    assert len(set(prints)) == 4
    assert fingerprint(raw()) == prints[0]


@pytest.mark.usefixtures("mirror")
def test_a_download_is_kept_for_every_machine(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = load(SMALL, store, clock=lambda: NOW)
    assert fetched.fingerprint == load(DATASETS["fashion-mnist-mini"], store).fingerprint
    kept = manifest.read(store, layout.dataset(SMALL.name))
    assert kept.meta["fingerprint"] == fetched.fingerprint
    assert kept.created_at == NOW
    monkeypatch.setattr(FashionMNIST, "mirrors", [])  # the network goes
    again = load(SMALL, store)
    assert again.fingerprint == fetched.fingerprint
    assert torch.equal(again.train.pixels, fetched.train.pixels)
    assert torch.equal(again.val.labels, fetched.val.labels)


@pytest.mark.usefixtures("mirror")
def test_a_download_that_is_not_what_it_should_be_is_not_kept(store: LocalStore) -> None:
    with pytest.raises(DataCorrupt, match="instead of"):
        load(DATASETS["fashion-mnist"], store)  # 60,000 images are expected
    with pytest.raises(NoSuchObject):
        manifest.read(store, layout.dataset("fashion-mnist"))


def test_without_a_network_a_sentence_says_how_to_mend_it(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{port}/"])
    with pytest.raises(DatasetUnavailable, match=r"refused.*where there is a network.*mini"):
        load(SMALL, store)


def test_a_network_that_swallows_everything_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        monkeypatch.setattr(
            FashionMNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"]
        )
        with pytest.raises(download.Unreachable, match=r"no data came for 0\.2 s"):
            download.fetch("fashion-mnist", tmp_path, patience_s=0.2)


def test_of_two_workers_that_store_a_data_set_one_is_first(store: LocalStore) -> None:
    raw = bundled.fashion_mnist_mini()
    for _ in range(2):
        stored.write(store, SMALL.name, raw, at=NOW)
    assert load(SMALL, store).fingerprint == fingerprint(raw)


def test_a_machine_fetches_a_stored_data_set_once(store: LocalStore, tmp_path: Path) -> None:
    stored.write(store, SMALL.name, bundled.fashion_mnist_mini(), at=NOW)
    first = load(SMALL, store, cache=tmp_path / "cache")
    store.delete(f"{layout.dataset(SMALL.name)}/{stored.ARRAYS}")
    assert load(SMALL, store, cache=tmp_path / "cache").fingerprint == first.fingerprint
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_damaged_data_set_is_told_to_be_deleted(store: LocalStore) -> None:
    stored.write(store, SMALL.name, bundled.fashion_mnist_mini(), at=NOW)
    key = f"{layout.dataset(SMALL.name)}/{stored.ARRAYS}"
    store.put(key, store.get(key)[:-1] + b"?")
    with pytest.raises(DataCorrupt, match=r"damaged.*delete datasets/fashion-mnist/"):
        load(SMALL, store)


@pytest.mark.parametrize(
    "wrong",
    [
        {"train_images": 4_999},
        {"val_images": 1_001},
        {"stored_size": 32},
        {"grey": False},
        {"classes": ("only", "two")},
    ],
    ids=str,
)
def test_a_stored_data_set_that_does_not_fit_is_refused(
    wrong: dict[str, object], store: LocalStore
) -> None:
    info: DatasetInfo = SMALL.model_copy(update=wrong)
    stored.write(store, info.name, bundled.fashion_mnist_mini(), at=NOW)
    with pytest.raises(DataCorrupt, match=r"instead of|beyond its 2 classes"):
        load(info, store)


def test_the_subset_carries_its_licence() -> None:
    assert "Zalando SE" in (ORIGINALS / "LICENSE").read_text()
