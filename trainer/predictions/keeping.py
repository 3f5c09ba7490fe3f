"""Puts parts into the object store, each exactly once, whoever makes it and however often."""

from trainer.contract import crashes, layout, parts
from trainer.contract.crashes import Point
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import ObjectStore
from trainer.contract.parts import Part
from trainer.predictions.table import counts
from trainer.training.patience import create_mine, patiently


def keep(store: ObjectStore, job_id: str, number: int, data: bytes) -> Part:
    """The part as it stands: with these bytes, or with those that somebody else was faster with, who may have
    been another processor and have rounded otherwise. Raises StoreUnavailable."""
    key = layout.part(job_id, number)
    if not create_mine(store, key, data):
        data = patiently(lambda: store.get(key))
    crashes.point(Point.AFTER_FILES)
    images, errors = counts(data)
    part = Part(number=number, file=parts.entry(number, data), images=images, errors=errors)
    # Who finds it there finds the same: it follows from the part's bytes, which are created once.
    create_mine(store, layout.done(job_id, number), part.model_dump_json().encode())
    return part


def kept(store: ObjectStore, job_id: str) -> dict[int, Part]:
    """The parts that are whole, by number. One whose mark cannot be read is made again, and is the same.
    Raises StoreUnavailable."""
    numbers = patiently(lambda: parts.done_numbers(store, job_id))
    found = ((number, _read(store, layout.done(job_id, number))) for number in numbers)
    return {number: part for number, part in found if part is not None}


def _read(store: ObjectStore, key: str) -> Part | None:
    try:
        return parts.read_done(patiently(lambda: store.get(key)))
    except Damaged:
        return None
