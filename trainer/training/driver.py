"""Ray Train around an attempt: places the workers, waits for them, and says how it ended.

`trainer.run` calls it in the driver's process.
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

import ray.exceptions
from ray.train import (
    ControllerError,
    FailureConfig,
    RunConfig,
    ScalingConfig,
    WorkerGroupError,
)
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2._internal.exceptions import (
    WorkerGroupStartupFailedError,
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)

from trainer.contract.asked import Placed
from trainer.contract.attempts import Order, Outcome
from trainer.contract.names import submission_id
from trainer.training.attempt import Ended
from trainer.training.failures import Fenced, classify
from trainer.training.worker import train_loop_per_worker

log = logging.getLogger(__name__)

LOST = (
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    WorkerGroupStartupFailedError,
    WorkerHealthCheckTimeoutError,
)
OUT_OF_MEMORY = (ray.exceptions.OutOfMemoryError,)


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
    except Exception as failure:
        errors = causes(failure)
        if any(isinstance(error, Fenced) for error in errors):
            log.warning("stopped: somebody else closed the attempt")
            return None
        log.exception("the attempt failed")
        why = classify(errors, lost=LOST, out_of_memory=OUT_OF_MEMORY)
        return Outcome(
            job_id=order.job_id,
            attempt=order.attempt,
            status="failed",
            reason=why,
            at=datetime.now(UTC),
        )
    log.info("all workers are done")
    return Outcome(
        job_id=order.job_id,
        attempt=order.attempt,
        status="succeeded",
        final=ended.final,
        best=ended.best,
        evaluation=ended.evaluation,
        at=datetime.now(UTC),
    )


def trainer(order: Order, url: str, scratch: Path) -> TorchTrainer:
    """Ray Train, set up for one run: a new attempt is the service's decision."""
    return TorchTrainer(
        train_loop_per_worker,
        train_loop_config={"order": order.model_dump_json(), "store": url},
        scaling_config=scaling(order.spec),
        torch_config=TorchConfig(backend=backend(order.spec)),
        run_config=RunConfig(
            name=submission_id(order.job_id, order.attempt),
            storage_path=str(scratch),
            failure_config=FailureConfig(max_failures=0),
        ),
    )


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
    """Workers that share a GPU cannot use NCCL: it wants one of their own for each."""
    return "nccl" if spec.gpus_per_worker >= 1 else "gloo"


def causes(failure: Exception) -> list[BaseException]:
    """What the workers raised, lowest rank first, or else Ray, out of Ray's wrappings."""
    errors: list[BaseException] = [failure]
    if isinstance(failure, WorkerGroupError):
        errors = [error for _, error in sorted(failure.worker_failures.items())]
    elif isinstance(failure, ControllerError):
        errors = [failure.controller_failure]
    return [_unwrapped(error) for error in errors]


def _unwrapped(error: BaseException) -> BaseException:
    if isinstance(error, WorkerHealthCheckFailedError):
        return _unwrapped(error.health_check_failure)
    if isinstance(error, ray.exceptions.RayTaskError) and error.cause is not None:
        return _unwrapped(error.cause)
    return error
