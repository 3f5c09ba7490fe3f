"""Checkpoints of small networks, as training writes them, for the tests of registry and serving."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor

from trainer.contract import archs, layout, manifest
from trainer.contract.attempts import MetricPoint
from trainer.contract.checkpoints import GOLDEN, PREPROCESS, STATE, WEIGHTS, CheckpointMeta
from trainer.contract.objects.store import ObjectStore
from trainer.contract.transform import Transform
from trainer.data.batches import normalise
from trainer.images import decode, prepare
from trainer.models.build import build

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLASSES = tuple(f"class-{i}" for i in range(10))
COLOUR = Transform(mode="rgb", resize=32, pad=0, input_size=32)


@dataclass(frozen=True)
class Written:
    """A checkpoint and what is in it."""

    prefix: str
    meta: CheckpointMeta
    weights: dict[str, Tensor]
    pixel_mean: Tensor


def write_checkpoint(
    store: ObjectStore,
    job_id: str,
    *,
    step: int = 10,
    top1_error: float | None = 20.0,
    seed: int = 0,
    weights: dict[str, Tensor] | None = None,
) -> Written:
    """A resnet8 with weights of `seed`; `weights` replaces some of them after the golden batch."""
    torch.manual_seed(seed)
    network = build(archs.resolve("resnet8"), len(CLASSES)).eval()
    mean = torch.rand(3, 32, 32)
    images = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        logits = network(normalise(images, mean, COLOUR))
    found = meta(job_id, step=step, top1_error=top1_error, seed=seed)
    state = network.state_dict() | (weights or {})
    prefix = layout.checkpoint(job_id, 1, step)
    with TemporaryDirectory() as folder:
        files = {name: Path(folder, name) for name in (WEIGHTS, PREPROCESS, GOLDEN, STATE)}
        save_file(state, files[WEIGHTS])
        save_file({"pixel_mean": mean}, files[PREPROCESS])
        save_file({"images": images, "logits": logits}, files[GOLDEN])
        files[STATE].write_text("{}")
        manifest.commit(store, prefix, files, found.model_dump(mode="json"), at=AT)
    return Written(prefix, found, state, mean)


def meta(
    job_id: str, *, step: int = 10, top1_error: float | None = 20.0, seed: int = 0
) -> CheckpointMeta:
    """Of a resnet8 for 32×32 colour images."""
    return CheckpointMeta(
        job_id=job_id,
        attempt=1,
        step=step,
        epoch=1,
        metrics=None if top1_error is None else _metrics(step, top1_error),
        architecture=archs.resolve("resnet8"),
        class_names=CLASSES,
        transform=COLOUR,
        dataset="synthetic",
        dataset_fingerprint="0" * 64,
        seed=seed,
        versions={"torch": torch.__version__},
    )


def probabilities(written: Written, image: bytes) -> list[float]:
    """The forward pass on one image file, written out."""
    network = build(written.meta.architecture, len(CLASSES)).eval()
    network.load_state_dict(written.weights)
    pixels = prepare(decode(image), written.meta.transform)[None]
    with torch.inference_mode():
        logits = network(normalise(pixels, written.pixel_mean, written.meta.transform))
    return [float(probability) for probability in logits.softmax(1)[0]]


def _metrics(step: int, top1_error: float) -> MetricPoint:
    return MetricPoint(
        step=step,
        epoch=1,
        split="val",
        loss=1.0,
        top1_error=top1_error,
        top5_error=top1_error / 4,
        images=100,
        time=AT,
    )
