"""Ray Train around an attempt: places the workers, waits for them, and says how it ended.

`trainer.run` calls it in the driver's process, which loads no torch: only workers need it.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from trainer.contract.asked import Placed
from trainer.contract.attempts import Order, Outcome
from trainer.contract.names import submission_id
from trainer.training.endings import Ended, Fenced, Halted
from trainer.training.failures import classify
from trainer.training.ray_failures import failures
from trainer.training.rendezvous import Rendezvous

log = logging.getLogger(__name__)

COLLECTIVE_TIMEOUT_S = 1800
"""Seconds that workers wait for one another. Long, because the others wait while the first one downloads a
data set or writes to a store that is slow; a worker that is frozen or gone is noticed long before."""


def fit(order: Order, url: str, *, scratch: Path) -> Outcome | None:
    """Run the order's workers to their end; None if somebody else closed the attempt meanwhile.

    `scratch`: a directory on this machine that Ray Train may put its own few files in.
    """
    spec = order.spec
    log.info(
        "placing %d workers with %g CPUs and %g GPUs each",
        spec.workers,
        spec.cpus_per_worker,
        spec.gpus_per_worker,
    )
    try:
        ended = Ended.model_validate(trainer(order, url, scratch).fit().return_value)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it has a reason
        return _failed(order, failure)
    log.info("all workers are done")
    facts = ended.model_dump(exclude={"halted", "stopped"})
    if ended.halted is not None:
        return _outcome(order, "halted", reason=ended.halted, **facts)
    return _outcome(order, "succeeded", reason=ended.stopped, **facts)


def _failed(order: Order, failure: Exception) -> Outcome | None:
    found = failures(failure)
    for _, error in found:
        if isinstance(error, Fenced):
            log.warning("stopped: somebody else closed the attempt")
            return None
        if isinstance(error, Halted):
            log.info("halted: %s", error)
            return _outcome(order, "halted", reason=error.reason)
    log.error("the attempt failed", exc_info=failure)
    return _outcome(order, "failed", reason=classify(found))


def _outcome(
    order: Order, status: Literal["succeeded", "failed", "halted"], **facts: Any
) -> Outcome:
    return Outcome(
        job_id=order.job_id,
        attempt=order.attempt,
        status=status,
        at=datetime.now(UTC),
        **facts,
    )


class Trainer(DataParallelTrainer):  # type: ignore[misc]  # Ray has no types
    """Ray Train's, without two of its processes in each attempt, which would do nothing here: the one that
    hands out Ray Data (every worker loads its own), and the one that removes the placement group of a
    controller that died (Ray does when the driver ends, and it does then; what Ray misses, that one does too,
    and the service gives it back: ADR 31)."""

    def _create_default_callbacks(self) -> list[Any]:
        idle = (DatasetsCallback, PlacementGroupCleanerCallback)
        return [each for each in super()._create_default_callbacks() if not isinstance(each, idle)]


def trainer(order: Order, url: str, scratch: Path) -> Trainer:
    """Ray Train, set up for one run: a new attempt is the service's decision."""
    return Trainer(
        train_loop_per_worker,
        train_loop_config={"order": order.model_dump_json(), "store": url},
        scaling_config=scaling(order.spec),
        backend_config=Rendezvous(backend(order.spec), COLLECTIVE_TIMEOUT_S),
        run_config=RunConfig(
            name=submission_id(order.job_id, order.attempt),
            storage_path=str(scratch),
            failure_config=FailureConfig(max_failures=0, max_preemption_failures=0),
        ),
    )


def train_loop_per_worker(config: Mapping[str, str]) -> dict[str, Any]:
    """What each worker runs; Ray Train names it so."""
    from trainer.training import worker

    return worker.work(config)


def scaling(spec: Placed) -> ScalingConfig:
    """The workers and what each reserves. All start together or none does."""
    resources = {"CPU": spec.cpus_per_worker}
    if spec.gpus_per_worker > 0:
        resources["GPU"] = spec.gpus_per_worker
    return ScalingConfig(
        num_workers=spec.workers,
        use_gpu=spec.gpus_per_worker > 0,
        resources_per_worker=resources,
    )


def backend(spec: Placed) -> str:
    """Of a GPU's tensors and of a CPU's. Workers that share a GPU cannot use NCCL: it wants one of their
    own for each."""
    return "cpu:gloo,cuda:nccl" if spec.gpus_per_worker >= 1 else "gloo"
