"""Images made of nothing, for benchmarks and for machines where no data may go."""

import numpy as np
import torch

from trainer.contract.datasets import DatasetInfo
from trainer.data.dataset import Raw, Split

SEED = 0
BLOCK = 4
"""Side in pixels of a pattern's squares."""


def generate(info: DatasetInfo) -> Raw:
    """Half a class's pattern, half noise. Patterns are symmetric: a mirror image keeps its class."""
    stream = np.random.default_rng(SEED)
    squares = info.stored_size // BLOCK
    half = stream.integers(256, size=(len(info.classes), squares, squares // 2, 3), dtype=np.uint8)
    coarse = np.concatenate([half, half[:, :, ::-1]], axis=2)
    patterns = coarse.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)  # (classes, H, W, 3)

    def split(count: int) -> Split:
        labels = np.arange(count) % len(info.classes)
        noise = stream.integers(256, size=(count, *patterns.shape[1:]), dtype=np.uint8)
        images = patterns[labels] // 2 + noise // 2
        return Split(torch.from_numpy(images), torch.from_numpy(labels))

    return Raw(train=split(info.train_images), val=split(info.val_images))
