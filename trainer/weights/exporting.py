"""Writes a model version to a file, and proves the file before it gets its name."""

import os
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from safetensors.torch import load_file

from trainer.contract import checkpoints, manifest
from trainer.contract.checkpoints import GOLDEN
from trainer.contract.objects.store import ObjectStore
from trainer.evaluation.version import TOLERANCE, Version
from trainer.weights.formats import Format, Run

AT_ONCE = 5
"""Images of the golden batch that are run at once. The last is run alone as well: two sizes are tried."""


class Proof(NamedTuple):
    """How near a file comes to the logits that were stored with the version."""

    difference: float
    """The largest, over the golden batch."""
    allowed: float


class Unproved(Exception):
    """A written file answers otherwise than the version; it was deleted."""


def export(store: ObjectStore, prefix: str, version: Version, to: Path, how: Format) -> Proof:
    """Write `version`, which lies under `prefix`, to the file `to`. Raises Unproved; then there is none."""
    written = to.with_name(f".{secrets.token_hex(8)}{to.suffix}")
    try:
        how.write(version, written)
        proof = prove(store, prefix, version, how.run(written, version))
        os.replace(written, to)
    finally:
        written.unlink(missing_ok=True)
    return proof


def prove(store: ObjectStore, prefix: str, version: Version, run: Run) -> Proof:
    """Compare a file's logits of the golden batch with the stored ones. Raises Unproved."""
    found = checkpoints.read(store, prefix).manifest
    golden = tuple(entry for entry in found.files if entry.name == GOLDEN)
    with TemporaryDirectory(prefix="residual-") as folder:
        only = found.model_copy(update={"files": golden})
        batch = load_file(manifest.fetch(store, prefix, only, Path(folder))[GOLDEN])
    images = batch["images"].to(torch.float32) * version.meta.transform.scale
    with torch.inference_mode():
        starts = range(0, len(images), AT_ONCE)
        parts = [run(images[start : start + AT_ONCE]) for start in starts]
        logits = torch.cat([*parts, run(images[-1:])])
    wanted = torch.cat([batch["logits"], batch["logits"][-1:]])
    allowed = TOLERANCE * batch["logits"].abs().max().item()
    difference = (logits - wanted).abs().max().item()
    if not difference <= allowed:  # also when it is not a number
        raise Unproved(
            f"the written file's answers differ from the model's by {difference:.3g} where {allowed:.3g} is "
            "allowed, so it was deleted; try another format"
        )
    return Proof(difference, allowed)
