"""Which images a step trains on, and how they are shifted and mirrored.

Pure functions of (seed, step): neither the number of workers nor a restart changes a step's batch.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.contract.transform import Transform
from trainer.data.dataset import Images


class _Draw(IntEnum):
    """What a random stream is for, so that no two of a seed are the same."""

    ORDER = 0
    AUGMENTATION = 1


@lru_cache(maxsize=2)
def order(count: int, *, seed: int, epoch: int) -> Tensor:
    """The permutation of `count` images in an epoch (from 0): int64 (count,)."""
    stream = np.random.default_rng((seed, _Draw.ORDER, epoch))
    return torch.from_numpy(stream.permutation(count))


def share(size: int, rank: int, world: int) -> slice:
    """What of `size` things is this rank's. Shares differ by one at most and overlap nowhere."""
    return slice(size * rank // world, size * (rank + 1) // world)


def train_batch(  # noqa: PLR0913 - all by name, and each changes the batch
    images: Images,
    *,
    seed: int,
    step: int,
    batch_size: int,
    rank: int,
    world: int,
    crop_padding: int,
    flip: bool,
) -> tuple[Tensor, Tensor]:
    """This rank's share of a step's batch: uint8 (b, 3, S, S) and labels int64 (b,).

    `step` counts from 0 and `batch_size` is the whole step's, over all ranks. An epoch's last,
    incomplete batch is dropped.
    """
    epoch, batch = divmod(step, len(images) // batch_size)
    mine = share(batch_size, rank, world)
    chosen = order(len(images), seed=seed, epoch=epoch)[batch * batch_size :][mine]
    stream = np.random.default_rng((seed, _Draw.AUGMENTATION, step))
    shifts = torch.from_numpy(stream.integers(2 * crop_padding + 1, size=(batch_size, 2)))[mine]
    mirrored = torch.from_numpy(stream.random(batch_size) < 0.5)[mine]
    pixels = images.pixels.index_select(0, chosen)
    if flip:
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(-1), pixels)
    if crop_padding:
        border = (pixel_mean(images) * 255).round().to(torch.uint8)
        pixels = _crop(pixels, shifts, crop_padding, border)
    return pixels, images.labels[chosen]


def _crop(pixels: Tensor, shifts: Tensor, padding: int, border: Tensor) -> Tensor:
    """The padded images seen through a window at `shifts` (b, 2): rows and columns, 0 to 2 × padding.

    The paper pads with zeros after subtracting the mean. Here the mean is subtracted last, as in
    the stored transform, so padding takes the mean's own value `border` (3, S, S) at its place.
    """
    side = pixels.shape[-1]
    windows = functional.pad(pixels, (padding,) * 4).unfold(2, side, 1).unfold(3, side, 1)
    seen = windows[torch.arange(len(pixels)), :, shifts[:, 0], shifts[:, 1]]  # (b, 3, S, S)
    places = shifts[:, :, None] + torch.arange(side)  # (b, 2, S)
    inside = (places >= padding) & (places < padding + side)
    both = inside[:, 0, :, None] & inside[:, 1, None, :]  # (b, S, S)
    return torch.where(both[:, None], seen, border)


def val_batches(
    images: Images, *, batch_size: int, rank: int, world: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """This rank's share of all images, at most `batch_size` at a time: over all ranks each once."""
    mine = share(len(images), rank, world)
    for start in range(mine.start, mine.stop, batch_size):
        batch = slice(start, min(start + batch_size, mine.stop))
        yield images.pixels[batch].contiguous(), images.labels[batch]


@lru_cache(maxsize=2)
def pixel_mean(images: Images) -> Tensor:
    """The mean image: float32 (3, S, S), in 0 … 1. Summed in integers, so exact on any machine."""
    one = images.pixels[:, :1] if images.pixels.stride(1) == 0 else images.pixels
    total = one.numpy().sum(axis=0, dtype=np.int64)  # 50 times faster than torch's sum of uint8
    mean = torch.from_numpy(total / (255 * len(images))).to(torch.float32)
    return mean.expand(3, -1, -1).contiguous()


def normalise(pixels: Tensor, mean: Tensor, transform: Transform) -> Tensor:
    """The last steps of a transform: uint8 (B, 3, S, S) → float32, scaled, less the mean (3, S, S)."""
    return pixels.to(torch.float32).mul_(transform.scale).sub_(mean)
