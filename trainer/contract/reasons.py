"""Why a job is where it is: a closed list of codes, each with what a person can do about it."""

from enum import StrEnum

from pydantic import BaseModel


class Code(StrEnum):
    """Every code a job's `reason` can carry. Waiting, failing by the user's spec, failing by us."""

    WAITING_FOR_CLUSTER = "waiting_for_cluster"
    WAITING_FOR_CPUS = "waiting_for_cpus"
    WAITING_FOR_GPUS = "waiting_for_gpus"
    WAITING_IN_LINE = "waiting_in_line"
    CANCELLED_BY_USER = "cancelled_by_user"
    DIVERGED = "diverged"
    DATASET_UNAVAILABLE = "dataset_unavailable"
    MODEL_UNUSABLE = "model_unusable"
    OUT_OF_MEMORY_GPU = "out_of_memory_gpu"
    OUT_OF_MEMORY_HOST = "out_of_memory_host"
    WORKER_LOST = "worker_lost"
    ATTEMPT_LOST = "attempt_lost"
    CLUSTER_RESTARTED = "cluster_restarted"
    STORAGE_UNWRITABLE = "storage_unwritable"
    INTERNAL = "internal"


REMEDIES: dict[Code, str] = {
    Code.WAITING_FOR_CLUSTER: "Nothing to do; if it lasts, look at /readyz and at Ray's own log.",
    Code.WAITING_FOR_CPUS: "Wait for running jobs, cancel one, or ask for fewer CPUs.",
    Code.WAITING_FOR_GPUS: "Wait for running jobs, cancel one, or ask for fewer GPUs.",
    Code.WAITING_IN_LINE: "Nothing to do; a higher priority starts earlier.",
    Code.CANCELLED_BY_USER: "Nothing to do; submit it again if that was a mistake.",
    Code.DIVERGED: "Lower recipe.learning_rate, or raise recipe.warmup_epochs.",
    Code.DATASET_UNAVAILABLE: "Use a bundled data set, or let a machine with a network fetch it once.",
    Code.MODEL_UNUSABLE: "Name another version; GET /models/{name} lists them.",
    Code.OUT_OF_MEMORY_GPU: "Lower batch_size, or use more workers.",
    Code.OUT_OF_MEMORY_HOST: "Lower batch_size, or use fewer workers on a machine.",
    Code.WORKER_LOST: "Look at the job's logs; the machine may have killed the process.",
    Code.ATTEMPT_LOST: "Look at the job's logs; the attempt ended without a word.",
    Code.CLUSTER_RESTARTED: "Nothing to do; it goes on from its last good checkpoint.",
    Code.STORAGE_UNWRITABLE: "Free space in the object store, or mend its permissions.",
    Code.INTERNAL: "Look at the job's logs, and report this as a bug.",
}

RETRIED = {
    Code.OUT_OF_MEMORY_HOST,
    Code.WORKER_LOST,
    Code.ATTEMPT_LOST,
    Code.CLUSTER_RESTARTED,
    Code.STORAGE_UNWRITABLE,
}
"""Failures that are the platform's: trying again may help. All others end the job."""


class Reason(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a job waits for, or what ended it."""

    code: Code
    message: str
    """This case, in a sentence."""
    remedy: str
    """What a person can do about it."""


def reason(code: Code, message: str) -> Reason:
    return Reason(code=code, message=message, remedy=REMEDIES[code])
