"""What runs in each actor of Ray Data's pool: loads the model version once, and makes one part after another.

Knows no Ray: `driver` hands it to Ray Data. What goes wrong is reported and not raised, so that Ray Data does
not try again what only the service may.
"""

import os
import socket
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch

from trainer.contract.attempts import Order
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.manifest import Damaged
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.parts import Part
from trainer.contract.prediction import ResolvedPrediction
from trainer.engines import choose
from trainer.engines.choose import Choice
from trainer.evaluation import version
from trainer.evaluation.version import Unfit, Version
from trainer.predictions.classify import rows
from trainer.predictions.keeping import keep
from trainer.predictions.reading import Read, ahead, reader
from trainer.predictions.table import parquet
from trainer.predictions.task import Report, Task
from trainer.training import vigil
from trainer.training.device import threads
from trainer.training.failures import Failure, classify
from trainer.training.parent import die_frozen_with_parent, die_with_parent
from trainer.training.patience import patiently
from trainer.training.vigil import Vigil

ENGINES = {
    "fp32": ("openvino-f32", "eager"),
    "bf16": ("openvino-bf16", "inductor-bf16", "openvino-f32", "eager"),
}
"""Of each precision, the fastest first. Where none multiplies bfloat16, float32 is at least as exact."""


@dataclass(frozen=True)
class Maker:
    """Makes parts of one prediction."""

    store: ObjectStore
    job_id: str
    spec: ResolvedPrediction
    read: Read
    engine: Choice
    class_names: tuple[str, ...]

    def make(self, task: Task) -> Part:
        """Classify the images of a part and keep it. Raises Unfit, StoreUnavailable, DatasetUnavailable, or
        torch's own failures."""
        batches = ahead(self.read, task, self.spec.per_worker_batch)
        made = list(rows(batches, self.engine.engine.logits, top_k=self.spec.top_k))
        data = parquet(made, self.spec.model, self.class_names)
        return keep(self.store, self.job_id, task.number, data)


class Worker:
    """One actor. Ray Data makes it with the store's URL and the order, and calls it with a task at a time."""

    def __init__(self, url: str, order: str, who: str) -> None:
        die_with_parent(os.getppid())
        die_frozen_with_parent()
        self._order = Order.model_validate_json(order)
        self._store = open_store(url)
        self._maker: Maker | None = None
        self._signs = Vigil(
            self._store,
            self._order.job_id,
            self._order.attempt,
            who,
            clock=partial(datetime.now, UTC),
        )

    def __call__(self, task: Task) -> Report:
        """While it works it gives signs of life, which the driver looks for."""
        told: dict[str, Any]
        began = time.monotonic()
        with vigil.kept(self._signs, looks=False):
            try:
                self._maker = self._maker or maker(self._store, self._order)
                began = time.monotonic()
                told = {"part": self._maker.make(task)}
            except Exception as error:  # noqa: BLE001 - whatever it is, it has a reason
                why = classify([Failure(None, error)])
                told = {"failed": why, "trace": traceback.format_exc()}
        where = f"{socket.gethostname()}, process {os.getpid()}"
        if self._maker:
            where += f", {self._maker.engine.name}"
        return Report(**told, worker=where, seconds=time.monotonic() - began)


def maker(store: ObjectStore, order: Order) -> Maker:
    """With the model loaded and proved. Raises Unfit, StoreUnavailable, DatasetUnavailable."""
    spec = order.spec
    if not isinstance(spec, ResolvedPrediction):
        raise TypeError(f"job {order.job_id} is no prediction")
    torch.set_num_threads(threads(spec.cpus_per_worker))
    device = torch.device("cuda" if spec.gpus_per_worker else "cpu")
    loaded = _loaded(store, spec.model, device)
    return Maker(
        store=store,
        job_id=order.job_id,
        spec=spec,
        read=reader(spec, loaded.meta.transform, store),
        engine=engine(loaded, spec),
        class_names=loaded.meta.class_names,
    )


def engine(loaded: Version, spec: ResolvedPrediction) -> Choice:
    """How the version is computed. Not the fastest by a measurement, as in serving: whoever makes a part
    again must come to the same bytes."""
    hardware = choose.here(loaded.device, threads(spec.cpus_per_worker))
    return choose.first(loaded, hardware, ENGINES[spec.precision])


def _loaded(store: ObjectStore, model: EvaluatedModel, device: torch.device) -> Version:
    try:
        return patiently(lambda: version.load(store, model.prefix, device=device))
    except (Damaged, NoSuchObject, Unfit) as error:
        raise Unfit(f"{model.name}:{model.version} cannot be used: {error}") from error
