"""Training images that are kept back to validate on: the paper's 45k/5k split. `load` calls it."""

import torch
from torch import Tensor

from trainer.data.dataset import Raw, Split


def keep_back(raw: Raw, count: int) -> Raw:
    """`raw` with `count` of its training images as its validation images, 0 for its own.

    They are the same ones whatever the seed, and both splits keep the order of their images.
    """
    if count == 0:
        return raw
    kept = held_out(raw.train.labels, count)
    train, val = (Split(*(part[chosen] for part in raw.train)) for chosen in (~kept, kept))
    return Raw(train, val)


def held_out(labels: Tensor, count: int) -> Tensor:
    """Which `count` images of `labels` (N,) are kept back: bool (N,). Of each class its proportion,
    give or take the fraction of an image."""
    total = len(labels)
    if not 0 < count < total:
        raise ValueError(f"{count} of {total} training images cannot be kept back; choose fewer")
    # At even distances in a row of the images sorted by class.
    places = (2 * torch.arange(count) + 1) * total // (2 * count)
    kept = torch.zeros(total, dtype=torch.bool)
    kept[labels.argsort(stable=True)[places]] = True
    return kept
