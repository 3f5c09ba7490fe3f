"""Ray Data: a pool of actors that each hold the model, over the list of parts that are missing. `driver`
reads the reports as they come; in which order and by whom changes nothing of what is written."""

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext

from trainer.contract.attempts import Order
from trainer.predictions.task import Report, Task

AHEAD = 2
"""Tasks that an actor has at once, one of them waiting: so it need not wait for the driver."""
LOOK_EVERY_S = 0.5


class PredictionWorker:
    """What Ray Data makes in each process of the pool."""

    def __init__(self, url: str, order: str) -> None:
        from trainer.predictions.worker import Worker  # torch, which the driver does without

        self._worker = Worker(url, order, ray.get_runtime_context().get_actor_id()[:16])

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """One task, as JSON, to one report."""
        (task,) = batch["task"]
        return {"report": [self._worker(Task.model_validate_json(task)).model_dump_json()]}


def reports(order: Order, url: str, tasks: Iterable[Task]) -> Iterator[Report | None]:
    """The report of each task when it is done, and None twice a second while none is. Whoever stops
    listening ends the pool. Raises Ray's errors."""
    quiet(DataContext.get_current())
    items = [{"task": task.model_dump_json()} for task in tasks]
    found = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        PredictionWorker,
        fn_constructor_args=(url, order.model_dump_json()),
        batch_size=1,
        compute=ActorPoolStrategy(size=order.spec.workers, max_tasks_in_flight_per_actor=AHEAD),
        num_cpus=order.spec.cpus_per_worker,
        num_gpus=order.spec.gpus_per_worker or None,
    )
    return _heard(found)


def quiet(context: DataContext) -> None:
    """Nobody sees progress bars, and the service has its own figures."""
    context.enable_progress_bars = False
    context.enable_operator_progress_bars = False
    context.enable_auto_log_stats = False


def _heard(found: ray.data.Dataset) -> Iterator[Report | None]:
    """A thread listens to Ray Data, so that the driver can listen to the service too."""
    queue: SimpleQueue[Report | Exception | None] = SimpleQueue()

    def listen() -> None:
        try:
            for row in found.iter_rows():
                queue.put(Report.model_validate_json(row["report"]))
            queue.put(None)
        except Exception as error:  # noqa: BLE001 - whoever reads the reports gets it
            queue.put(error)

    threading.Thread(target=listen, name="reports", daemon=True).start()
    while True:
        try:
            heard = queue.get(timeout=LOOK_EVERY_S)
        except Empty:
            yield None
            continue
        if isinstance(heard, Exception):
            raise heard
        if heard is None:
            return
        yield heard
