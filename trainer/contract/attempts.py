"""What the service and an attempt tell each other, as small objects in the store.

order.json and halt.json (service → attempt), started.json, heartbeats/, progress.json and outcome.json
(attempt → service). The outcome is created once: an attempt that was given up finds it taken and cannot
commit.
"""

from datetime import datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from trainer.contract import layout
from trainer.contract.evaluation import Evaluation
from trainer.contract.kinds import Resolved
from trainer.contract.names import Name
from trainer.contract.objects.store import AlreadyExists, NoSuchObject, ObjectStore
from trainer.contract.prediction import Predictions
from trainer.contract.reasons import Reason

Split = Literal["train", "val"]

BEAT_EVERY_S = 3.0
"""Seconds between two signs of life of an attempt's driver, and of its first worker."""
LEASE_S = 30.0
"""An attempt whose driver or first worker gives no sign of life for so many seconds is given up. Both
sides count on their own clocks: no two clocks are compared."""


class MetricPoint(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One measurement. `train` points are a step's own batch; `val` points all validation images."""

    step: int
    """Optimizer steps done, from 1."""
    epoch: int
    """Pass over the training images this step belongs to, from 1."""
    split: Split
    loss: float
    """Mean cross-entropy in nats."""
    top1_error: float
    """Percent."""
    top5_error: float
    """Percent."""
    lr: float | None = None
    images_per_second: float | None = None
    """Over all workers; of the training loop for `train`, of the evaluation for `val`."""
    images: int
    """Images this point counts, each once."""
    time: datetime


class LogLine(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One line of an attempt's log."""

    time: datetime
    level: Literal["debug", "info", "warning", "error"]
    rank: str
    """A worker's number, or 'driver'."""
    message: str


class Order(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an attempt is to do."""

    job_id: Name
    attempt: int
    spec: Resolved
    resume_attempts: tuple[int, ...]
    """Earlier attempts, oldest first; the newest good checkpoint among theirs is where to go on."""


class Started(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What an attempt found and chose when it began."""

    job_id: Name
    attempt: int
    resumed_step: int
    """Step of the checkpoint it went on from; 0 is a fresh start. Later points of earlier attempts
    do not count. Of a prediction: rows that were written before."""
    resumed_attempt: int | None
    device: str
    precision: Literal["fp32", "bf16"]
    channels_last: bool
    versions: dict[str, str]
    """Of torch, ray and residual."""
    skipped: tuple[str, ...] = ()
    """Checkpoints that were damaged, and why: newer ones than that it went on from."""
    at: datetime


class Advance(BaseModel, frozen=True, use_attribute_docstrings=True):
    """How far a prediction is. Rewritten as it goes on."""

    images: int
    """Rows that are written, by this attempt and those before it."""
    of: int
    """Rows in all."""
    images_per_second: float | None
    """Of this attempt, over all workers."""


class Halt(BaseModel, frozen=True, use_attribute_docstrings=True):
    """The service's wish that an attempt keep a checkpoint and end, created once."""

    job_id: Name
    attempt: int
    reason: Reason
    """Why; the attempt's outcome repeats it."""
    at: datetime


class Heartbeat(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A sign of life: each is other than the one before it."""

    number: int
    """Of this one, from 1."""
    step: int
    """Optimizer steps done; 0 before the first, and from the driver."""
    ended: bool = False
    """Whether this is the last one: whoever beats is done, and no more are to be expected."""
    data_s: float = 0.0
    """Seconds that this worker's loop has spent on making batches, in this attempt."""
    stall_s: float = 0.0
    """Seconds that this worker's loop has waited when a checkpoint was due, in this attempt."""
    stored_at: datetime | None = None
    """When the attempt's newest good checkpoint was stored; None before the first."""
    at: datetime


class Best(BaseModel, frozen=True, use_attribute_docstrings=True):
    """The checkpoint with the lowest validation top-1 error."""

    attempt: int
    step: int
    metrics: MetricPoint


class Outcome(BaseModel, frozen=True, use_attribute_docstrings=True):
    """How an attempt ended."""

    job_id: Name
    attempt: int
    status: Literal["succeeded", "failed", "halted", "given_up"]
    """halted: it was asked to end before its last step, and has kept a checkpoint. given_up: the service
    closed the attempt; whatever it still does counts no more."""
    reason: Reason | None = None
    final: MetricPoint | None = None
    best: Best | None = None
    evaluation: Evaluation | None = None
    """Of an evaluation, or of a training by a protocol other than center."""
    predictions: Predictions | None = None
    """Of a prediction."""
    at: datetime


Document = TypeVar("Document", bound=BaseModel)


def read(store: ObjectStore, key: str, kind: type[Document]) -> Document | None:
    """The document under `key`, or None while there is none."""
    try:
        return kind.model_validate_json(store.get(key))
    except NoSuchObject:
        return None
    except ValidationError as error:
        raise ValueError(f"{key} is not a {kind.__name__}: {error}") from error


def commit_outcome(store: ObjectStore, outcome: Outcome) -> Outcome:
    """Write `outcome` unless the attempt has one; the outcome that stands, which may be another."""
    key = layout.outcome(outcome.job_id, outcome.attempt)
    try:
        store.create(key, outcome.model_dump_json().encode())
    except AlreadyExists:
        standing = read(store, key, Outcome)
        if standing is None:
            raise
        return standing
    return outcome
