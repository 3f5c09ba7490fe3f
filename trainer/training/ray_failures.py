"""What ended the workers, out of Ray's wrappings and in our own words. `driver` asks."""

import re

import ray.exceptions
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import (
    WorkerGroupStartupFailedError,
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)

from trainer.training.endings import HostFull, NodeLost, Preempted, WorkerLost
from trainer.training.failures import Failure

NODE_DIED = "its node has died"
"""What Ray says, in words only, of a process that went with its machine."""
ADDRESS = re.compile(r"^\s*ip: (\S+)", re.MULTILINE)
SAID = re.compile(r"^(?!\s)(?!The actor died unexpectedly)(.+)$", re.MULTILINE)
"""What Ray's news of a death ends with, after a sentence that says nothing and facts in indented lines."""


def failures(failure: Exception) -> list[Failure]:
    """What each worker failed of, lowest rank first; or what Ray Train itself failed of."""
    if isinstance(failure, WorkerGroupError):
        ranked = sorted(failure.worker_failures.items())
        return [Failure(rank, ours(error, f"worker {rank}")) for rank, error in ranked]
    if isinstance(failure, ControllerError):
        failure = failure.controller_failure
    return [Failure(None, ours(failure, "the process that leads the workers"))]


def ours(wrapped: BaseException, who: str) -> BaseException:
    """The error in it, in our own words if it is Ray's."""
    error = _unwrapped(wrapped)
    match error:
        case ray.exceptions.RayActorError():
            return _died(error, who)
        case ray.exceptions.NodeDiedError():
            return NodeLost(f"the machine of {who} is gone")
        case ray.exceptions.OutOfMemoryError():
            return HostFull(f"{who} was ended because its machine had too little memory left")
        case WorkerHealthCheckTimeoutError():
            return WorkerLost(f"{who} does not answer any more")
        case ray.exceptions.WorkerCrashedError() | WorkerGroupStartupFailedError():
            return WorkerLost(f"{who} is gone: {error}")
    return error


def _unwrapped(error: BaseException) -> BaseException:
    if isinstance(error, WorkerHealthCheckFailedError):
        return _unwrapped(error.health_check_failure)
    if isinstance(error, ray.exceptions.RayTaskError) and error.cause is not None:
        return _unwrapped(error.cause)
    return error


def _died(error: ray.exceptions.RayActorError, who: str) -> BaseException:
    news = str(error)
    address = ADDRESS.search(news)
    where = f"{who} on {address[1]}" if address else who
    if error.preempted:
        return Preempted(f"the machine of {where} was taken away")
    if NODE_DIED in news:
        return NodeLost(f"the machine of {where} is gone")
    said = SAID.search(news)
    return WorkerLost(f"{where} is gone" + (f": {said[1]}" if said else ""))
