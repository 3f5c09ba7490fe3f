"""Attempts at predictions by a small network, whose work is done in this process instead of on Ray."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Any

import pyarrow.parquet as pq

from tests.serving.versions import write_checkpoint
from trainer.contract import layout
from trainer.contract.attempts import Order, Outcome
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import ObjectStore
from trainer.contract.prediction import PredictSpec, ResolvedPrediction
from trainer.contract.resolve import resolve_prediction
from trainer.predictions import driver
from trainer.predictions.driver import Prediction
from trainer.predictions.task import Report, Task
from trainer.predictions.worker import Maker, maker
from trainer.training.vigil import Vigil

JOB = "job-p"
SOURCE = "holiday/2026"
ROWS = 50
"""Of a file: 360 images of handwritten digits are 8 files, the last of 10."""


def registered(store: ObjectStore, seed: int = 0) -> EvaluatedModel:
    """A resnet8 with weights of `seed`, where a model version would lie; written once."""
    prefix = layout.checkpoint(f"job-{seed}", 1, 10)
    if next(iter(store.list(f"{prefix}/")), None) is None:
        write_checkpoint(store, f"job-{seed}", seed=seed)
    return EvaluatedModel(name="digits", version=3, prefix=prefix)


def order(model: EvaluatedModel, *, attempt: int = 1, **fields: Any) -> Order:
    """Of the digits, or of `source`."""
    asked = {"kind": "predict", "model": model.name, "workers": 1, "rows_per_file": ROWS} | fields
    spec = PredictSpec.model_validate(asked if "source" in asked else {"dataset": "digits"} | asked)
    prefix = layout.inputs("default", spec.source) if spec.source else None
    return Order(
        job_id=JOB,
        attempt=attempt,
        spec=resolve_prediction(spec, model, source=spec.source, prefix=prefix, gpus=0),
        resume_attempts=tuple(range(1, attempt)),
    )


def prediction(store: ObjectStore, what: Order) -> Prediction:
    assert isinstance(what.spec, ResolvedPrediction)
    signs = Vigil(store, JOB, what.attempt, "0", clock=partial(datetime.now, UTC))
    return Prediction(what, what.spec, store, signs)


def here(made: Maker, tasks: Iterable[Task]) -> Iterator[Report]:
    """As a worker does them, one after the other."""
    for task in tasks:
        yield Report(part=made.make(task), worker="this one", seconds=0.5)


def run(store: ObjectStore, what: Order) -> Outcome:
    """An attempt that nothing disturbs."""
    ended = driver.attempt(prediction(store, what), partial(here, maker(store, what)))
    assert ended is not None
    return ended


def files(store: LocalStore) -> dict[str, bytes]:
    """The output's Parquet files."""
    found = [one.key for one in store.list(layout.predictions(JOB) + "/")]
    return {key: store.get(key) for key in found if key.endswith(".parquet")}


def rows(store: LocalStore) -> list[dict[str, Any]]:
    """All rows of all files, in their order."""
    return [
        row
        for _, data in sorted(files(store).items())
        for row in pq.read_table(BytesIO(data)).to_pylist()
    ]
