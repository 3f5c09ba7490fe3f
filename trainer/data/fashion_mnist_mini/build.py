"""Makes this folder's IDX files from the originals; README.md says where those are from.

python -m trainer.data.fashion_mnist_mini.build ORIGINALS TARGET
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from trainer.data import idx

FIRST = {"train": 500, "t10k": 100}
"""Images that are kept of each class, by split."""


def build(source: Path, target: Path) -> None:
    """Writes the first images of each class, in their original order."""
    for split, count in FIRST.items():
        images, labels = f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz"
        kept = first_of_each_class(idx.read(source / labels), count)
        idx.write(target / images, idx.read(source / images)[kept])
        idx.write(target / labels, idx.read(source / labels)[kept])


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """Indices, ascending, of the first `count` of each label."""
    classes = range(int(labels.max()) + 1)
    return torch.cat([(labels == c).nonzero().flatten()[:count] for c in classes]).sort().values


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
