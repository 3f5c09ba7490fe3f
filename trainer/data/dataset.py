"""A data set in memory: what training and evaluation read, whatever it was loaded from."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from trainer.contract.datasets import DatasetInfo
from trainer.contract.transform import Transform


class Split(NamedTuple):
    """Labelled images as they come, before any transform."""

    images: Tensor
    """uint8: grey (N, H, W), or colour (N, H, W, 3)."""
    labels: Tensor
    """int64 (N,)."""


class Raw(NamedTuple):
    """A whole data set as it comes."""

    train: Split
    val: Split


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a split as the validation transform leaves them before scaling."""

    pixels: Tensor
    """uint8 (N, 3, input_size, input_size). Of grey images a view that repeats their one channel."""
    labels: Tensor
    """int64 (N,), indices into the data set's classes."""

    @property
    def channels(self) -> Tensor:
        """The pixels without repetition: uint8 (N, C, S, S), with C = 1 for grey images and else 3."""
        return self.pixels[:, :1] if self.pixels.stride(1) == 0 else self.pixels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Everything an attempt needs to know of its data."""

    info: DatasetInfo
    train: Images
    val: Images
    fingerprint: str
    """SHA-256 over the images and labels of all splits, as they come."""
    transform: Transform


def fingerprint(raw: Raw) -> str:
    """SHA-256 over shapes, images and labels of all splits."""
    digest = hashlib.sha256()
    for tensor in (*raw.train, *raw.val):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
