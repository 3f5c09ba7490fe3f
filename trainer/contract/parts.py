"""The output of a prediction in the object store: a Parquet file for each run of rows, and what says that
it is whole. Attempts write it, the service reads it.

A part belongs to the job and not to an attempt: what is in it follows from the listing, the model version and
the spec, so whoever creates it first is right, also one that was given up meanwhile.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, TypeAdapter, ValidationError

from trainer.contract import layout, manifest
from trainer.contract.manifest import Damaged, FileEntry, Manifest
from trainer.contract.objects.store import AlreadyExists, NoSuchObject, ObjectStore


class Listed(BaseModel, frozen=True, use_attribute_docstrings=True):
    """An object that is to be classified."""

    name: str
    """Below the source."""
    size: int
    """Bytes, when it was listed."""


class Part(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A file of the output that is whole."""

    number: int
    """From 0; its rows are those from `number` times the job's `rows_per_file` on."""
    file: FileEntry
    images: int
    """Rows."""
    errors: int
    """Rows of what could not be classified."""


PARTS = TypeAdapter(tuple[Part, ...])


def numbers(images: int, rows_per_file: int) -> range:
    """Of all parts of so many images."""
    return range(-(-images // rows_per_file))


def rows_of(number: int, images: int, rows_per_file: int) -> range:
    """The rows of a part."""
    start = number * rows_per_file
    return range(start, min(start + rows_per_file, images))


def read_done(data: bytes) -> Part:
    """Raises Damaged."""
    try:
        return Part.model_validate_json(data)
    except ValidationError as error:
        raise Damaged("a part is marked as done in words that are none") from error


def done_numbers(store: ObjectStore, job_id: str) -> list[int]:
    """Of the parts that are whole, lowest first."""
    folder = layout.all_done(job_id) + "/"
    names = (found.key.removeprefix(folder).removesuffix(".json") for found in store.list(folder))
    return sorted(int(name) for name in names if name.isdecimal())


def entry(number: int, data: bytes) -> FileEntry:
    """Of a part's file."""
    digest = hashlib.sha256(data).hexdigest()
    return FileEntry(name=layout.part_name(number), size=len(data), sha256=digest)


def finish(store: ObjectStore, job_id: str, parts: Sequence[Part], *, at: datetime) -> Manifest:
    """Make the output believable as a whole; nothing happens if it is."""
    prefix = layout.predictions(job_id)
    meta = {"parts": PARTS.dump_python(tuple(parts), mode="json")}
    try:
        return manifest.commit_stored(store, prefix, (part.file for part in parts), meta, at=at)
    except AlreadyExists:
        return manifest.read(store, prefix)


def finished(store: ObjectStore, job_id: str) -> tuple[Part, ...] | None:
    """All parts of a prediction that is complete, lowest first; None while it is not. Raises Damaged."""
    try:
        found = manifest.read(store, layout.predictions(job_id))
        return PARTS.validate_python(found.meta["parts"])
    except NoSuchObject:
        return None
    except (KeyError, ValidationError) as error:
        raise Damaged(f"the manifest of {job_id}'s predictions names no parts") from error
