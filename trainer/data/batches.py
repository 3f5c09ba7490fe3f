"""Which images a step trains on, and what the network gets of them.

Pure functions of (seed, step): neither the number of workers nor a restart changes a step's batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.contract.recipes import Recipe, growing_side
from trainer.contract.transform import Transform
from trainer.data.augment import draw_views, view
from trainer.data.colour import draw_colour
from trainer.data.dataset import Images
from trainer.data.draws import Draw, stream
from trainer.data.mixing import Box, draw_mixing, mix

GROWTH = 0.75
"""Fraction of a run over which progressive images grow to their full size."""


@dataclass(frozen=True, eq=False)
class Mixed:
    """What is mixed into a rank's b images."""

    pixels: Tensor
    """uint8 (b, 3, S, S): the partners of the images, augmented as in their own place."""
    labels: Tensor
    """int64 (b,)."""
    colour: Tensor | None
    """As `Batch.colour`, of the partners."""
    share: float
    """What of the loss is for the first image's label, 0 to 1."""
    box: Box | None
    """What CutMix pastes from the partner. None is mixup."""


@dataclass(frozen=True, eq=False)
class Batch:
    """A rank's b images of a step, on the CPU."""

    pixels: Tensor
    """uint8 (b, 3, S, S)."""
    labels: Tensor
    """int64 (b,)."""
    colour: Tensor | None
    """float32 (b, 3), of 0 … 1: added to every pixel after the mean is subtracted."""
    mixed: Mixed | None
    side: int
    """Pixels that the images are resized to, in the end."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the network gets, on its device."""

    images: Tensor
    """float32 (b, 3, side, side)."""
    labels: Tensor
    """int64 (b,)."""
    partners: Tensor | None
    """int64 (b,): labels of the images that are mixed in."""
    share: float
    """What of the loss is for `labels`; the rest is for `partners`. 1 without mixing."""


@lru_cache(maxsize=2)
def order(count: int, *, seed: int, epoch: int) -> Tensor:
    """The permutation of `count` images in an epoch (from 0): int64 (count,)."""
    return torch.from_numpy(stream(seed, Draw.ORDER, epoch).permutation(count))


def share(size: int, rank: int, world: int) -> slice:
    """What of `size` things is this rank's. Shares differ by one at most and overlap nowhere."""
    return slice(size * rank // world, size * (rank + 1) // world)


def train_batch(  # noqa: PLR0913 - all by name, and each changes the batch
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    step: int,
    iterations: int,
    batch_size: int,
    rank: int,
    world: int,
) -> Batch:
    """This rank's share of a step's batch.

    `step` counts from 0 to `iterations` and `batch_size` is the whole step's, over all ranks. An
    epoch's last, incomplete batch is dropped.
    """
    epoch, batch = divmod(step, len(images) // batch_size)
    chosen = order(len(images), seed=seed, epoch=epoch)[batch * batch_size :][:batch_size]
    size = images.pixels.shape[-1]
    views = draw_views(recipe, size, seed=seed, step=step, batch_size=batch_size)
    mixing = draw_mixing(recipe, size, seed=seed, step=step, batch_size=batch_size)
    colour = draw_colour(images, recipe.colour_noise, seed=seed, step=step, batch_size=batch_size)

    def seen(at: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Pixels, labels and colour of the images at these positions in the batch."""
        channels = images.channels.index_select(0, chosen[at])
        pixels = view(channels, views.of(at), padding=recipe.crop_padding, border=_border(images))
        shift = None if colour is None else colour[at]
        return pixels.expand(-1, 3, -1, -1).contiguous(), images.labels[chosen[at]], shift

    mine = torch.arange(batch_size)[share(batch_size, rank, world)]
    mixed = None
    if mixing:
        mixed = Mixed(*seen(mixing.partners[mine]), share=mixing.share, box=mixing.box)
    return Batch(*seen(mine), mixed=mixed, side=progressive(recipe, size, step, iterations))


def progressive(recipe: Recipe, size: int, step: int, iterations: int) -> int:
    """Side in pixels of a step's images: from `progressive_from` · `size` up to `size`."""
    grown = min(step / (GROWTH * iterations), 1)
    if grown == 1 or recipe.progressive_from == 1:
        return size
    fraction = recipe.progressive_from + (1 - recipe.progressive_from) * grown
    return growing_side(fraction, size)


def inputs(
    batch: Batch,
    mean: Tensor,
    transform: Transform,
    device: torch.device,
    memory_format: torch.memory_format,
) -> Inputs:
    """The batch on the device as the network takes it. `mean` is `pixel_mean`, on the device."""

    def shown(one: Batch | Mixed) -> Tensor:
        images = normalise(one.pixels.to(device, non_blocking=True), mean, transform)
        if one.colour is None:
            return images
        return images.add_(one.colour.to(device, non_blocking=True)[:, :, None, None])

    images, labels = shown(batch), batch.labels.to(device, non_blocking=True)
    mixed, partners = batch.mixed, None
    if mixed:
        images = mix(images, shown(mixed), mixed.share, mixed.box)
        partners = mixed.labels.to(device, non_blocking=True)
    if batch.side != images.shape[-1]:
        images = functional.interpolate(
            images, size=(batch.side, batch.side), mode="bilinear", antialias=True
        )
    return Inputs(
        images=images.contiguous(memory_format=memory_format),
        labels=labels,
        partners=partners,
        share=mixed.share if mixed else 1.0,
    )


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
    # numpy sums bytes 50 times faster than torch.
    total = images.channels.numpy().sum(axis=0, dtype=np.int64)
    mean = torch.from_numpy(total / (255 * len(images))).to(torch.float32)
    return mean.expand(3, -1, -1).contiguous()


@lru_cache(maxsize=2)
def _border(images: Images) -> Tensor:
    """The mean image in whole numbers, as padding shows it: uint8 (C, S, S)."""
    return (pixel_mean(images) * 255).round().to(torch.uint8)[: images.channels.shape[1]]


def normalise(pixels: Tensor, mean: Tensor, transform: Transform) -> Tensor:
    """The last steps of a transform: uint8 (B, 3, S, S) → float32, scaled, less the mean (3, S, S)."""
    return pixels.to(torch.float32).mul_(transform.scale).sub_(mean)
