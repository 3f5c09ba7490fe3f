"""The same model version for each server: eager torch, from an image's bytes to five classes."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainer.contract.objects.open import open_store
from trainer.evaluation.version import Version, load
from trainer.images import decode, prepare

STORE, PREFIX = "BENCH_STORE", "BENCH_PREFIX"
"""Environment variables that say where the version is."""
BATCH = 8
WAIT_S = 0.01
"""How long the other servers' batches wait for more requests: their documents' usual value."""


def served() -> Version:
    torch.set_num_threads(os.cpu_count() or 1)
    return load(open_store(os.environ[STORE]), os.environ[PREFIX], device=torch.device("cpu"))


def pixels(version: Version, image: bytes) -> Tensor:
    """uint8 (3, S, S)"""
    return prepare(decode(image), version.meta.transform)


def answers(version: Version, batch: Sequence[Tensor]) -> list[list[dict[str, Any]]]:
    """Of each image the five most probable classes."""
    best = version.logits(torch.stack(list(batch))).softmax(1).topk(5)
    names = version.meta.class_names
    return [
        [{"label": names[i], "index": i, "probability": p} for p, i in zip(*row, strict=True)]
        for row in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
