"""A data set by its name, ready to train on: what every worker calls first."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from trainer.contract import layout
from trainer.contract.datasets import DatasetInfo
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import ObjectStore
from trainer.contract.transform import for_dataset
from trainer.data import bundled, download, stored, synthetic
from trainer.data.arrays import prepare_split
from trainer.data.dataset import Dataset, Raw, fingerprint


class DatasetUnavailable(Exception):
    """The data set's images cannot be had here; the message says how to mend it."""


def load(
    info: DatasetInfo,
    store: ObjectStore,
    *,
    cache: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Dataset:
    """The whole data set in memory. Raises DatasetUnavailable, or StoreUnavailable.

    A set that is downloaded is kept in `store` for all workers, and in the directory `cache` for
    those of this machine. With several workers let one load first, or each of them downloads it.
    """
    raw = _raw(info, store, cache, clock)
    _check(info, raw)
    transform = for_dataset(info)
    return Dataset(
        info=info,
        train=prepare_split(raw.train, transform),
        val=prepare_split(raw.val, transform),
        fingerprint=fingerprint(raw),
        transform=transform,
    )


def _raw(
    info: DatasetInfo, store: ObjectStore, cache: Path | None, clock: Callable[[], datetime]
) -> Raw:
    match info.source, info.name:
        case "bundled", "fashion-mnist-mini":
            return bundled.fashion_mnist_mini()
        case "bundled", "digits":
            return bundled.digits()
        case "generated", _:
            return synthetic.generate(info)
        case "download", _:
            return _stored_or_downloaded(info, store, cache, clock)
    raise DatasetUnavailable(
        f"this version has no images of '{info.name}'; GET /datasets lists all"
    )


def _stored_or_downloaded(
    info: DatasetInfo, store: ObjectStore, cache: Path | None, clock: Callable[[], datetime]
) -> Raw:
    try:
        raw = stored.read(store, info.name, cache=cache)
    except Damaged as error:
        raise DatasetUnavailable(
            f"the stored images of '{info.name}' are damaged ({error}); delete "
            f"{layout.dataset(info.name)}/ in the object store, and the next job downloads them again"
        ) from error
    if raw is not None:
        return raw
    try:
        with TemporaryDirectory(prefix="residual-", ignore_cleanup_errors=True) as folder:
            raw = download.fetch(info.name, Path(folder))
    except download.Unreachable as error:
        raise DatasetUnavailable(
            f"'{info.name}' is not in the object store and cannot be downloaded from this machine "
            f"({error}); run a job with it once where there is a network, and it is there for every "
            "machine, or choose 'fashion-mnist-mini', which needs none"
        ) from error
    _check(info, raw)
    stored.write(store, info.name, raw, at=clock())
    return raw


def _check(info: DatasetInfo, raw: Raw) -> None:
    """Raises DatasetUnavailable when the arrays are not what `info` says."""
    for name, split, count in (
        ("train", raw.train, info.train_images),
        ("val", raw.val, info.val_images),
    ):
        side = (info.stored_size, info.stored_size)
        shape = (count, *side) if info.grey else (count, *side, 3)
        labels = split.labels
        if split.images.shape != shape or labels.shape != (count,):
            raise DatasetUnavailable(
                f"the {name} images of '{info.name}' have the shape {tuple(split.images.shape)} instead of "
                f"{shape}; delete {layout.dataset(info.name)}/ in the object store if it is there"
            )
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(info.classes):
            raise DatasetUnavailable(
                f"'{info.name}' has labels beyond its {len(info.classes)} classes"
            )
