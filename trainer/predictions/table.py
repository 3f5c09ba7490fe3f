"""Rows of a prediction as the bytes of a Parquet file: the same rows give the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq

from trainer.contract.evaluation import EvaluatedModel

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("file", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("indices", pa.list_(pa.int32())),
        pa.field("probabilities", pa.list_(pa.float32())),
        pa.field("error", pa.string()),
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
    ]
)
"""row: place in the listing, from 0. file, sha256: of a source's image, its name below the source and its
bytes. labels, indices, probabilities: the most probable first; null where `error` says why there are none."""


@dataclass(frozen=True)
class Row:
    """One image."""

    number: int
    file: str | None = None
    sha256: str | None = None
    indices: Sequence[int] | None = None
    """Of the most probable classes, the first of them first."""
    probabilities: Sequence[float] | None = None
    error: str | None = None


def parquet(rows: Sequence[Row], model: EvaluatedModel, class_names: Sequence[str]) -> bytes:
    """Nothing in it depends on when, where or by whom it is written."""
    columns = {
        "row": [row.number for row in rows],
        "file": [row.file for row in rows],
        "sha256": [row.sha256 for row in rows],
        "labels": [_names(row.indices, class_names) for row in rows],
        "indices": [row.indices for row in rows],
        "probabilities": [row.probabilities for row in rows],
        "error": [row.error for row in rows],
        "model": [model.name] * len(rows),
        "version": [model.version] * len(rows),
    }
    written = BytesIO()
    pq.write_table(pa.table(columns, SCHEMA), written, compression="zstd")
    return written.getvalue()


def counts(data: bytes) -> tuple[int, int]:
    """Rows of a file, and those of them that are errors."""
    errors = pq.read_table(BytesIO(data), columns=["error"])["error"]
    return len(errors), len(errors) - errors.null_count


def _names(indices: Sequence[int] | None, class_names: Sequence[str]) -> list[str] | None:
    return None if indices is None else [class_names[index] for index in indices]
