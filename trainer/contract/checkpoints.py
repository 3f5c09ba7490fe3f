"""What a checkpoint holds, and how a model version is made of one without loading it.

A checkpoint lies under `layout.checkpoint(job, attempt, step)`; its manifest is committed last.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ValidationError

from trainer.contract import layout, manifest
from trainer.contract.archs import Network
from trainer.contract.attempts import MetricPoint
from trainer.contract.manifest import Damaged, Manifest
from trainer.contract.names import Name
from trainer.contract.objects.store import ObjectStore
from trainer.contract.transform import Transform

WEIGHTS = "model.safetensors"
"""Parameters and buffers, named as in the network's state dict: what is evaluated and served."""
TRAINED = "trained.safetensors"
"""Parameters and buffers that training goes on with, where WEIGHTS are their moving average; else not
there."""
PREPROCESS = "preprocess.safetensors"
"""`pixel_mean`: float32 (3, input_size, input_size), in 0 … 1."""
GOLDEN = "golden.safetensors"
"""`images`: uint8 (n, 3, input_size, input_size) before scaling; `logits`: float32 (n, classes), in fp32."""
OPTIMIZER = "optimizer.safetensors"
"""Momentum buffers, named as their parameters."""
STATE = "state.json"
"""Best checkpoint so far and the learning rate's progress; the position follows from the step."""

MODEL_FILES = (WEIGHTS, PREPROCESS, GOLDEN)
"""What a model version keeps of a checkpoint."""


class Imported(BaseModel, frozen=True, use_attribute_docstrings=True):
    """The file of somebody else's training."""

    file: str
    """Its name, without folders."""
    sha256: str
    layout: str
    """How it names its tensors."""


class CheckpointMeta(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a checkpoint is of, and where it came from. A model version keeps it whole."""

    job_id: Name | None
    """None: it was imported."""
    attempt: int
    step: int
    epoch: int
    metrics: MetricPoint | None
    """On the validation images; None between two evaluations."""
    architecture: Network
    class_names: tuple[str, ...]
    transform: Transform
    dataset: Name | None
    """None: it was imported."""
    dataset_fingerprint: str | None
    """SHA-256 over the images and labels of all splits."""
    seed: int | None
    imported: Imported | None = None
    versions: dict[str, str]


class Checkpoint(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A committed checkpoint."""

    prefix: str
    manifest: Manifest
    meta: CheckpointMeta


def read(store: ObjectStore, prefix: str) -> Checkpoint:
    """The checkpoint (or model version) under `prefix`. Raises NoSuchObject or Damaged."""
    found = manifest.read(store, prefix)
    try:
        meta = CheckpointMeta.model_validate(found.meta)
    except ValidationError as error:
        raise Damaged(f"{prefix} is not a checkpoint of this version") from error
    is_attempts = prefix.startswith(layout.job(""))  # a model version keeps what it was made of
    if is_attempts and prefix != layout.checkpoint(meta.job_id or "", meta.attempt, meta.step):
        raise Damaged(f"{prefix} has the manifest of another checkpoint")
    return Checkpoint(prefix=prefix, manifest=found, meta=meta)


def of_attempt(store: ObjectStore, job_id: str, attempt: int) -> Iterator[str]:
    """Prefixes of an attempt's committed checkpoints, lowest step first."""
    return manifest.prefixes(store, layout.checkpoints(job_id, attempt) + "/")


def copy_as_version(
    store: ObjectStore, source: Checkpoint, target: str, *, at: datetime
) -> Manifest:
    """Make the model version `target` of a checkpoint. Raises Damaged, or AlreadyExists."""
    kept = tuple(entry for entry in source.manifest.files if entry.name in MODEL_FILES)
    wanted = source.manifest.model_copy(update={"files": kept})
    with TemporaryDirectory(prefix="residual-") as folder:
        files = manifest.fetch(store, source.prefix, wanted, Path(folder))
        return manifest.commit(store, target, files, source.meta.model_dump(mode="json"), at=at)
