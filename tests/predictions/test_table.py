"""The output's rows: which classes, in which order, and the bytes of their file."""

from io import BytesIO

import pyarrow.parquet as pq
import pytest
import torch

from trainer.contract.evaluation import EvaluatedModel
from trainer.evaluation.version import Unfit
from trainer.predictions.classify import rows
from trainer.predictions.reading import Seen
from trainer.predictions.table import SCHEMA, Row, counts, parquet

MODEL = EvaluatedModel(name="digits", version=3, prefix="somewhere")
NAMES = ("zero", "one", "two")
WRITTEN = [
    Row(0, "a.png", "0" * 64, [2, 0], [0.5, 0.25]),
    Row(1, "b.png", error="this is not an image"),
]


def seen(count: int) -> list[Seen]:
    return [Seen(row, torch.zeros(3, 2, 2, dtype=torch.uint8)) for row in range(count)]


def test_a_file_has_the_documented_columns() -> None:
    table = pq.read_table(BytesIO(parquet(WRITTEN, MODEL, NAMES)))
    assert table.schema.equals(SCHEMA)
    assert table.to_pylist() == [
        {
            "row": 0,
            "file": "a.png",
            "sha256": "0" * 64,
            "labels": ["two", "zero"],
            "indices": [2, 0],
            "probabilities": [0.5, 0.25],
            "error": None,
            "model": "digits",
            "version": 3,
        },
        {
            "row": 1,
            "file": "b.png",
            "sha256": None,
            "labels": None,
            "indices": None,
            "probabilities": None,
            "error": "this is not an image",
            "model": "digits",
            "version": 3,
        },
    ]


def test_its_rows_and_errors_can_be_counted() -> None:
    assert counts(parquet(WRITTEN, MODEL, NAMES)) == (2, 1)
    assert counts(parquet([], MODEL, NAMES)) == (0, 0)


def test_the_same_rows_give_the_same_bytes_and_others_do_not() -> None:
    assert parquet(WRITTEN, MODEL, NAMES) == parquet(list(WRITTEN), MODEL, NAMES)
    assert parquet(WRITTEN[:1], MODEL, NAMES) != parquet(WRITTEN, MODEL, NAMES)


def test_of_equally_probable_classes_the_first_comes_first() -> None:
    (row,) = rows([seen(1)], lambda _: torch.tensor([[1.0, 2.0, 2.0]]), top_k=3)
    assert row.indices == [1, 2, 0]


def test_no_more_classes_are_given_than_there_are() -> None:
    (row,) = rows([seen(1)], lambda _: torch.zeros(1, 3), top_k=9)
    assert row.probabilities == pytest.approx([1 / 3] * 3)


def test_a_batch_without_an_image_is_not_shown_to_the_network() -> None:
    def network(_: torch.Tensor) -> torch.Tensor:
        raise AssertionError("there is nothing to show")

    bad = [Seen(row, error="no image") for row in range(2)]
    assert [row.error for row in rows([bad], network, top_k=1)] == ["no image"] * 2


def test_images_between_errors_keep_their_rows() -> None:
    batch = [seen(3)[0], Seen(1, error="no image"), seen(3)[2]]
    logits = torch.tensor([[0.0, 9.0], [9.0, 0.0]])
    found = list(rows([batch], lambda _: logits, top_k=1))
    assert [(row.number, row.indices) for row in found] == [(0, [1]), (1, None), (2, [0])]


def test_a_network_that_answers_no_numbers_is_unfit() -> None:
    with pytest.raises(Unfit, match="no numbers"):
        list(rows([seen(1)], lambda _: torch.full((1, 3), torch.nan), top_k=1))
