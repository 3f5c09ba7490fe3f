"""Why a job is where it is: a closed list of codes, each with what a person can do about it."""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel


class Code(StrEnum):
    """Every code a job's `reason` can carry."""

    # It waits.
    WAITING_FOR_CLUSTER = "waiting_for_cluster"
    WAITING_FOR_CPUS = "waiting_for_cpus"
    WAITING_FOR_GPUS = "waiting_for_gpus"
    WAITING_FOR_QUOTA = "waiting_for_quota"
    WAITING_IN_LINE = "waiting_in_line"
    # It is on its way, or done.
    STARTING = "starting"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED_BY_SEARCH = "stopped_by_search"
    # Somebody asked for it.
    CANCELLED_BY_USER = "cancelled_by_user"
    PAUSED_BY_USER = "paused_by_user"
    RESUMED_BY_USER = "resumed_by_user"
    CANCELLED_WITH_SWEEP = "cancelled_with_sweep"
    PAUSED_WITH_SWEEP = "paused_with_sweep"
    RESUMED_WITH_SWEEP = "resumed_with_sweep"
    MAX_PENDING_EXCEEDED = "max_pending_exceeded"
    MAX_RUNTIME_EXCEEDED = "max_runtime_exceeded"
    # What was asked cannot be done.
    DIVERGED = "diverged"
    DATASET_UNAVAILABLE = "dataset_unavailable"
    DATA_CORRUPT = "data_corrupt"
    MODEL_UNUSABLE = "model_unusable"
    OUT_OF_MEMORY_GPU = "out_of_memory_gpu"
    INVALID_POINT = "invalid_point"
    TRIALS_FAILED = "trials_failed"
    # The platform failed.
    OUT_OF_MEMORY_HOST = "out_of_memory_host"
    WORKER_LOST = "worker_lost"
    NODE_LOST = "node_lost"
    ATTEMPT_LOST = "attempt_lost"
    STORAGE_UNWRITABLE = "storage_unwritable"
    INTERNAL = "internal"
    # The platform changed, and the job goes on.
    CLUSTER_RESTARTED = "cluster_restarted"
    PREEMPTED = "preempted"
    RESIZED = "resized"


REMEDIES: dict[Code, str] = {
    Code.WAITING_FOR_CLUSTER: "Nothing to do; if it lasts, look at /readyz and at Ray's own log.",
    Code.WAITING_FOR_CPUS: "Wait for running jobs, cancel one, or ask for fewer CPUs.",
    Code.WAITING_FOR_GPUS: "Wait for running jobs, cancel one, or ask for fewer GPUs.",
    Code.WAITING_FOR_QUOTA: "Wait for the project's own jobs, or ask the administrator for more.",
    Code.WAITING_IN_LINE: "Nothing to do; a higher priority starts earlier.",
    Code.STARTING: "Nothing to do; the job's logs show how far it is.",
    Code.RUNNING: "Nothing to do; the job's metrics show how far it is.",
    Code.COMPLETED: "Nothing to do; resume it with more epochs to go on.",
    Code.STOPPED_BY_SEARCH: "Nothing to do; resume it to see how far it would have come.",
    Code.CANCELLED_BY_USER: "Nothing to do; resume it if that was a mistake.",
    Code.PAUSED_BY_USER: "Resume it when it shall go on.",
    Code.RESUMED_BY_USER: "Nothing to do; it starts when its turn comes.",
    Code.CANCELLED_WITH_SWEEP: "Nothing to do; resume the sweep, or this trial alone.",
    Code.PAUSED_WITH_SWEEP: "Resume the sweep.",
    Code.RESUMED_WITH_SWEEP: "Nothing to do; it starts when its turn comes.",
    Code.MAX_PENDING_EXCEEDED: "Raise max_pending, or ask for less of the cluster; then submit it again.",
    Code.MAX_RUNTIME_EXCEEDED: "Resume it to go on for as long again, or submit it with more max_runtime.",
    Code.DIVERGED: "Lower recipe.learning_rate, or raise recipe.warmup_epochs.",
    Code.DATASET_UNAVAILABLE: "Use a bundled data set, or let a machine with a network fetch it once.",
    Code.DATA_CORRUPT: "Replace the file that is named, or remove the data set so that it is fetched anew.",
    Code.MODEL_UNUSABLE: "Name another version; GET /models/{name} lists them.",
    Code.INVALID_POINT: "Narrow the sweep's space to points that are trainings.",
    Code.TRIALS_FAILED: "Look at the trials' reasons; submit the sweep again with what they say.",
    Code.OUT_OF_MEMORY_GPU: "Lower batch_size, or use more workers.",
    Code.OUT_OF_MEMORY_HOST: "Lower batch_size, or use fewer workers on a machine.",
    Code.WORKER_LOST: "Look at the job's logs; the machine may have killed the process.",
    Code.NODE_LOST: "Look at the machine that went away; the job needs one in its place.",
    Code.ATTEMPT_LOST: "Look at the job's logs; the attempt ended without a word.",
    Code.STORAGE_UNWRITABLE: "Free space in the object store, or mend its permissions.",
    Code.INTERNAL: "Look at the job's logs, and report this as a bug.",
    Code.CLUSTER_RESTARTED: "Nothing to do; it goes on from its last good checkpoint.",
    Code.PREEMPTED: "Nothing to do; it goes on from its last good checkpoint.",
    Code.RESIZED: "Nothing to do; it goes on from its checkpoint with more workers.",
}

FREE = frozenset({Code.CLUSTER_RESTARTED, Code.PREEMPTED, Code.RESIZED})
"""What ends an attempt and not the job, at no cost: it was the cluster's doing."""

RETRIED = frozenset(
    {
        Code.OUT_OF_MEMORY_HOST,
        Code.WORKER_LOST,
        Code.NODE_LOST,
        Code.ATTEMPT_LOST,
        Code.STORAGE_UNWRITABLE,
        Code.INTERNAL,
    }
)
"""Failures that are the platform's: trying again may help, and costs one of the job's retries. What is
neither free nor retried ends the job."""


class Reason(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a job waits for, or what ended it."""

    code: Code
    message: str
    """This case, in a sentence."""
    remedy: str
    """What a person can do about it."""


def reason(code: Code, message: str) -> Reason:
    return Reason(code=code, message=message, remedy=REMEDIES[code])


class Explained(Exception):
    """A failure whose message needs no more explanation. Each kind of them has a code."""

    code: ClassVar[Code]
