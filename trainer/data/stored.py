"""A downloaded data set in the object store: fetched once by one worker, read by all others."""

import os
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file, save_file

from trainer.contract import layout, manifest
from trainer.contract.manifest import Manifest
from trainer.contract.objects.store import AlreadyExists, NoSuchObject, ObjectStore
from trainer.data.dataset import Raw, Split, fingerprint

ARRAYS = "arrays.safetensors"


def write(store: ObjectStore, name: str, raw: Raw, *, at: datetime) -> None:
    """Put `raw` into the store, unless another worker was faster: it had the same data."""
    tensors = {
        f"{split}.{field}": tensor.contiguous()
        for split, arrays in raw._asdict().items()
        for field, tensor in arrays._asdict().items()
    }
    with TemporaryDirectory(prefix="residual-") as folder:
        path = Path(folder, ARRAYS)
        save_file(tensors, path)
        try:
            meta = {"fingerprint": fingerprint(raw)}
            manifest.commit(store, layout.dataset(name), {ARRAYS: path}, meta, at=at)
        except AlreadyExists:
            return


def read(store: ObjectStore, name: str, *, cache: Path | None = None) -> Raw | None:
    """What is stored as `name`, or None. Raises Damaged.

    `cache` is a directory of this machine's that keeps the arrays for the next worker.
    """
    try:
        found = manifest.read(store, layout.dataset(name))
    except NoSuchObject:
        return None
    if cache:
        cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="residual-", dir=cache) as folder:
        tensors = load_file(_arrays(store, name, found, cache, Path(folder)))
    train, val = (
        Split(tensors[f"{split}.images"], tensors[f"{split}.labels"]) for split in Raw._fields
    )
    return Raw(train, val)


def _arrays(
    store: ObjectStore, name: str, found: Manifest, cache: Path | None, folder: Path
) -> Path:
    """The verified file in the cache, or in `folder` when there is no cache."""
    kept = cache / f"{name}-{found.files[0].sha256}.safetensors" if cache else None
    if kept and kept.is_file():
        return kept
    fetched = manifest.fetch(store, layout.dataset(name), found, folder)[ARRAYS]
    if kept is None:
        return fetched
    os.replace(fetched, kept)  # `folder` lies in the cache: whole or not there, whoever else writes
    return kept
