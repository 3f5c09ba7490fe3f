"""What a prediction is of, fixed before its first image is classified. The driver asks; loads no torch."""

from dataclasses import dataclass

from trainer.contract import layout, parts
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.parts import Listed
from trainer.contract.prediction import ResolvedPrediction
from trainer.predictions.task import Task
from trainer.training.patience import create_mine, patiently


@dataclass(frozen=True)
class Listing:
    """All images, in the order of their rows."""

    images: int
    files: tuple[Listed, ...] = ()
    """Of a source; empty for a data set, whose images are counted and stay what they are."""

    def task(self, number: int, rows_per_file: int) -> Task:
        """The work of one part."""
        rows = parts.rows_of(number, self.images, rows_per_file)
        return Task(
            number=number,
            start=rows.start,
            stop=rows.stop,
            files=self.files[rows.start : rows.stop],
        )


def fixed(store: ObjectStore, job_id: str, spec: ResolvedPrediction) -> Listing:
    """The same for all attempts: the first one lists the source, and of two at once one wins. What comes
    to the source later is not classified. Raises StoreUnavailable."""
    if spec.dataset is not None:
        info = DATASETS[spec.dataset]
        return Listing(info.train_images if spec.split == "train" else info.val_images)
    key = layout.listing(job_id)
    kept = patiently(lambda: _kept(store, key))
    if kept is None:
        found = patiently(lambda: _listed(store, f"{spec.prefix}/"))
        written = "".join(f"{one.model_dump_json()}\n" for one in found).encode()
        create_mine(store, key, written)
        kept = patiently(lambda: store.get(key))
    files = tuple(Listed.model_validate_json(line) for line in kept.splitlines())
    return Listing(len(files), files)


def _kept(store: ObjectStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except NoSuchObject:
        return None


def _listed(store: ObjectStore, prefix: str) -> list[Listed]:
    """By name. Consoles of S3 make empty objects that stand for folders: they are no files."""
    found = ((one.key.removeprefix(prefix), one.size) for one in store.list(prefix))
    return [
        Listed(name=name, size=size) for name, size in sorted(found) if name and name[-1] != "/"
    ]
