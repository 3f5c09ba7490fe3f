"""A model version, loaded: verified by its manifest, and proved by its golden batch.

Serving, evaluation and export all get their network here.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from trainer.contract import checkpoints, manifest
from trainer.contract.checkpoints import GOLDEN, MODEL_FILES, PREPROCESS, WEIGHTS, CheckpointMeta
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import Code, Explained
from trainer.data.batches import normalise
from trainer.models.build import build

TOLERANCE = 1e-3
"""Of the largest golden logit. Other processors, thread counts and kernels add up in another order."""


class Unfit(Explained):
    """A model version that must not be used for what it was asked for."""

    code = Code.MODEL_UNUSABLE


@dataclass(frozen=True)
class Version:
    """A network in evaluation mode, without gradients, and all that belongs to it."""

    network: nn.Module
    pixel_mean: Tensor
    """float32 (3, S, S), in 0 … 1."""
    meta: CheckpointMeta
    device: torch.device
    """Of the network and the mean."""
    golden: Tensor
    """Prepared images uint8 (B, 3, S, S) of the validation set, with which the version was proved."""

    @torch.inference_mode()
    def logits(self, pixels: Tensor) -> Tensor:
        """Prepared images uint8 (B, 3, S, S) → float32 (B, classes)."""
        batch = normalise(pixels.to(self.device), self.pixel_mean, self.meta.transform)
        logits: Tensor = self.network(batch)
        return logits


def load(store: ObjectStore, prefix: str, *, device: torch.device) -> Version:
    """The model version (or checkpoint) under `prefix`, proved. Raises Damaged, NoSuchObject or Unfit."""
    found = checkpoints.read(store, prefix)
    with TemporaryDirectory(prefix="residual-") as folder:
        paths = manifest.fetch(store, prefix, found.manifest, Path(folder))
        missing = set(MODEL_FILES) - paths.keys()
        if missing:
            raise Damaged(f"{prefix} has no {', '.join(sorted(missing))}")
        weights, preprocess, golden = (
            load_file(paths[name], device=str(device)) for name in (WEIGHTS, PREPROCESS, GOLDEN)
        )
    version = Version(
        network=_network(found.meta, weights).to(device),
        pixel_mean=preprocess["pixel_mean"],
        meta=found.meta,
        device=device,
        golden=golden["images"],
    )
    prove(version, golden["images"], golden["logits"])
    return version


def prove(version: Version, images: Tensor, logits: Tensor) -> None:
    """Replay the golden batch: what training computed must come out. Raises Unfit."""
    allowed = TOLERANCE * max(1.0, logits.abs().max().item())
    difference = (version.logits(images) - logits).abs().max().item()
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
