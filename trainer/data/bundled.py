"""The data sets that come with the installation: no network, no waiting."""

from pathlib import Path

import torch

from trainer.data import idx
from trainer.data.dataset import Raw, Split


def fashion_mnist_mini() -> Raw:
    folder = Path(__file__).parent / "fashion_mnist_mini"
    return Raw(*(idx.read_split(folder, split) for split in ("train", "t10k")))


def digits() -> Raw:
    """Of each digit every fifth image is for validation, so both splits have the same mix."""
    from sklearn.datasets import load_digits  # takes 1 s that no other data set needs

    pixels, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).reshape(-1, 8, 8).mul(255 / 16).round().to(torch.uint8)
    labels = torch.from_numpy(labels).to(torch.int64)
    by_class = labels.argsort(stable=True)
    held_out = torch.arange(len(labels)) % 5 == 0
    train, val = (by_class[chosen].sort().values for chosen in (~held_out, held_out))
    return Raw(Split(images[train], labels[train]), Split(images[val], labels[val]))
