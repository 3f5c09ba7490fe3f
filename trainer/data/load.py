"""A data set by its name, ready to train on: what every worker calls first."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from trainer.contract import layout
from trainer.contract.datasets import DatasetInfo
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import Code, Explained
from trainer.contract.transform import for_dataset
from trainer.data import bundled, download, stored, synthetic
from trainer.data.arrays import prepare_split
from trainer.data.dataset import Dataset, Raw, fingerprint
from trainer.data.holdout import keep_back


class DatasetUnavailable(Explained):
    """The data set's images cannot be had here; the message says how to mend it."""

    code = Code.DATASET_UNAVAILABLE


class DataCorrupt(DatasetUnavailable):
    """They are there, and are not what they should be; the message says which."""

    code = Code.DATA_CORRUPT


def load(  # noqa: PLR0913 - all but the first two by name
    info: DatasetInfo,
    store: ObjectStore,
    *,
    cache: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    input_size: int | None = None,
    holdout: int = 0,
) -> Dataset:
    """The data set in memory, ready for the network. Raises what `raw` does.

    `input_size` is the side in pixels that the network takes, by default the data set's own. Of
    `holdout` training images, if any, the validation images are made (`keep_back`).
    """
    whole = raw(info, store, cache=cache, clock=clock)
    used = keep_back(whole, holdout)
    transform = for_dataset(info, input_size)
    return Dataset(
        info=info,
        train=prepare_split(used.train, transform),
        val=prepare_split(used.val, transform),
        fingerprint=fingerprint(whole),
        transform=transform,
    )


def raw(
    info: DatasetInfo,
    store: ObjectStore,
    *,
    cache: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Raw:
    """The images as they come, checked. Raises DatasetUnavailable, DataCorrupt, or
    StoreUnavailable.

    A set that is downloaded is kept in `store` for all workers, and in the directory `cache` for
    those of this machine. With several workers let one load first, or each of them downloads it.
    """
    found = _found(info, store, cache, clock)
    _check(info, found)
    return found


def _found(
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
        found = stored.read(store, info.name, cache=cache)
    except Damaged as error:
        raise DataCorrupt(
            f"the stored images of '{info.name}' are damaged ({error}); delete "
            f"{layout.dataset(info.name)}/ in the object store, and the next job downloads them again"
        ) from error
    if found is not None:
        return found
    try:
        with TemporaryDirectory(prefix="residual-", ignore_cleanup_errors=True) as folder:
            fetched = download.fetch(info.name, Path(folder))
    except download.Unreachable as error:
        raise DatasetUnavailable(
            f"'{info.name}' is not in the object store and cannot be downloaded from this machine "
            f"({error}); run a job with it once where there is a network, and it is there for every "
            "machine, or choose 'fashion-mnist-mini', which needs none"
        ) from error
    _check(info, fetched)
    stored.write(store, info.name, fetched, at=clock())
    return fetched


def _check(info: DatasetInfo, found: Raw) -> None:
    """Raises DataCorrupt when the arrays are not what `info` says."""
    for name, split, count in (
        ("train", found.train, info.train_images),
        ("val", found.val, info.val_images),
    ):
        side = (info.stored_size, info.stored_size)
        shape = (count, *side) if info.grey else (count, *side, 3)
        labels = split.labels
        if split.images.shape != shape or labels.shape != (count,):
            raise DataCorrupt(
                f"the {name} images of '{info.name}' have the shape {tuple(split.images.shape)} instead of "
                f"{shape}; delete {layout.dataset(info.name)}/ in the object store if it is there"
            )
        if not 0 <= int(labels.min()) <= int(labels.max()) < len(info.classes):
            raise DataCorrupt(f"'{info.name}' has labels beyond its {len(info.classes)} classes")
