"""From rows to what the network is given: of a data set in memory, or of files in the object store."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from trainer.contract.datasets import DATASETS
from trainer.contract.objects.store import BadKey, NoSuchObject, ObjectStore
from trainer.contract.parts import Listed
from trainer.contract.prediction import MAX_FILE_BYTES, ResolvedPrediction
from trainer.contract.transform import Transform
from trainer.data.arrays import prepare_split
from trainer.data.dataset import Split
from trainer.data.load import raw
from trainer.images import ImageError, decode, prepare
from trainer.predictions.task import Task
from trainer.training.patience import patiently

READERS = 8
"""Files that are fetched at once: most of the time of each is waiting for the store."""


@dataclass(frozen=True)
class Seen:
    """One image, prepared or refused."""

    row: int
    pixels: Tensor | None = None
    """uint8 (3, S, S)."""
    file: str | None = None
    sha256: str | None = None
    error: str | None = None


Read = Callable[[Task, range], list[Seen]]
"""These rows of a task, in their order. Raises StoreUnavailable, DatasetUnavailable."""


def reader(spec: ResolvedPrediction, transform: Transform, store: ObjectStore) -> Read:
    """For the images of `spec`, as `transform` prepares them."""
    if spec.dataset is not None:
        whole = raw(DATASETS[spec.dataset], store)
        return _of_arrays(whole.train if spec.split == "train" else whole.val, transform)
    return _of_files(store, str(spec.prefix), transform)


def ahead(read: Read, task: Task, batch_size: int) -> Iterator[list[Seen]]:
    """All rows of a task, `batch_size` at a time: the next ones are read while these are classified."""
    cuts = [*range(task.start, task.stop, batch_size), task.stop]
    first, *others = (range(*pair) for pair in pairwise(cuts))
    with ThreadPoolExecutor(1, "read") as beside:
        coming = beside.submit(read, task, first)
        for batch in others:
            seen, coming = coming.result(), beside.submit(read, task, batch)
            yield seen
        yield coming.result()


def _of_arrays(split: Split, transform: Transform) -> Read:
    def read(_: Task, rows: range) -> list[Seen]:
        chosen = Split(*(field[rows.start : rows.stop] for field in split))
        return [
            Seen(*pair) for pair in zip(rows, prepare_split(chosen, transform).pixels, strict=True)
        ]

    return read


def _of_files(store: ObjectStore, prefix: str, transform: Transform) -> Read:
    def one(row: int, listed: Listed) -> Seen:
        key = f"{prefix}/{listed.name}"
        try:
            data = patiently(lambda: _fetched(store, key, listed))
        except Unread as error:
            return Seen(row, file=listed.name, error=str(error))
        digest = hashlib.sha256(data).hexdigest()
        try:
            pixels = prepare(decode(data), transform)
        except ImageError as error:
            return Seen(row, file=listed.name, sha256=digest, error=str(error))
        return Seen(row, pixels, listed.name, digest)

    def read(task: Task, rows: range) -> list[Seen]:
        files: Sequence[Listed] = task.files[rows.start - task.start : rows.stop - task.start]
        with ThreadPoolExecutor(READERS, "fetch") as several:
            return list(several.map(one, rows, files))

    return read


class Unread(Exception):
    """A file that is not what was listed, or too much to read."""


def _fetched(store: ObjectStore, key: str, listed: Listed) -> bytes:
    """Raises Unread, StoreUnavailable."""
    if listed.size > MAX_FILE_BYTES:
        most = MAX_FILE_BYTES >> 20
        raise Unread(f"the file has {listed.size} bytes; at most {most} MiB are read")
    try:
        data = store.get(key)
    except NoSuchObject as error:
        raise Unread("the file was removed after it was listed") from error
    except BadKey as error:
        raise Unread("the file has a name that is not read here; give it a plain one") from error
    if len(data) != listed.size:
        raise Unread(
            f"the file had {listed.size} bytes when it was listed, and has {len(data)} now"
        )
    return data
