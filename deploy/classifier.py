"""A model version that classifies images: verified, loaded, and proved by its golden batch.

Plain torch, no Ray. `app` makes one in each replica.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from trainer.contract import checkpoints, manifest
from trainer.contract.checkpoints import GOLDEN, PREPROCESS, WEIGHTS, CheckpointMeta
from trainer.contract.objects.store import ObjectStore
from trainer.contract.serving import ImageResult, Prediction
from trainer.data.batches import normalise
from trainer.images import ImageError, ImageTooLarge, decode, prepare
from trainer.models.build import build

TOLERANCE = 1e-3
"""Of the largest golden logit. Other processors, thread counts and kernels add up in another order."""


class Unfit(Exception):
    """A model version that must not serve."""


class Refused(Exception):
    """An image that is not classified: which one, and the HTTP status that says so."""

    def __init__(self, index: int, cause: ImageError) -> None:
        super().__init__(str(cause))
        self.index = index
        self.status = 413 if isinstance(cause, ImageTooLarge) else 415


@dataclass(frozen=True)
class Classifier:
    """A network in evaluation mode with all that belongs to it."""

    network: nn.Module
    pixel_mean: Tensor
    """Float32 (3, S, S)."""
    meta: CheckpointMeta
    device: torch.device

    def prepare(self, images: Sequence[bytes]) -> Tensor:
        """Image files → uint8 (B, 3, S, S). Raises Refused."""
        return torch.stack([self._prepared(i, image) for i, image in enumerate(images)])

    def classify(self, pixels: Tensor, *, top_k: int) -> tuple[ImageResult, ...]:
        """uint8 (B, 3, S, S) → the `top_k` most probable classes of each, all if there are fewer."""
        probabilities = self.logits(pixels).softmax(dim=1)  # (B, classes)
        best = probabilities.topk(min(top_k, probabilities.shape[1]), dim=1)
        rows = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return tuple(ImageResult(predictions=self._named(*row)) for row in rows)

    @torch.inference_mode()
    def logits(self, pixels: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) → float32 (B, classes)."""
        batch = normalise(pixels.to(self.device), self.pixel_mean, self.meta.transform)
        logits: Tensor = self.network(batch)
        return logits

    def _named(self, probabilities: list[float], indices: list[int]) -> tuple[Prediction, ...]:
        names = self.meta.class_names
        return tuple(
            Prediction(label=names[index], index=index, probability=probability)
            for probability, index in zip(probabilities, indices, strict=True)
        )

    def _prepared(self, index: int, image: bytes) -> Tensor:
        try:
            return prepare(decode(image), self.meta.transform)
        except ImageError as error:
            raise Refused(index, error) from error


def load(store: ObjectStore, prefix: str, *, device: torch.device) -> Classifier:
    """The model version under `prefix`, proved. Raises Damaged, NoSuchObject or Unfit."""
    version = checkpoints.read(store, prefix)
    with TemporaryDirectory(prefix="residual-") as folder:
        paths = manifest.fetch(store, prefix, version.manifest, Path(folder))
        weights, preprocess, golden = (
            load_file(paths[name], device=str(device)) for name in (WEIGHTS, PREPROCESS, GOLDEN)
        )
    classifier = Classifier(
        network=_network(version.meta, weights),
        pixel_mean=preprocess["pixel_mean"],
        meta=version.meta,
        device=device,
    )
    prove(classifier, golden["images"], golden["logits"])
    return classifier


def prove(classifier: Classifier, images: Tensor, logits: Tensor) -> None:
    """Replay the golden batch: what training computed must come out. Raises Unfit."""
    allowed = TOLERANCE * max(1.0, logits.abs().max().item())
    difference = (classifier.logits(images) - logits).abs().max().item()
    if not difference <= allowed:  # also when it is not a number
        raise Unfit(
            f"its answers to the golden batch differ from training's by {difference:.3g} where "
            f"{allowed:.3g} is allowed; register another checkpoint"
        )


def _network(meta: CheckpointMeta, weights: dict[str, Tensor]) -> nn.Module:
    # On the CPU: torch's meta device would load sympy, 1 s and 150 MB, to save a few milliseconds.
    network = build(meta.architecture, len(meta.class_names))
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise Unfit(f"its weights are not those of {meta.architecture.name}: {error}") from error
    return network.eval().requires_grad_(False)
