"""Which images of a training batch are mixed with which, and how: mixup and CutMix.

`batches` draws for the whole batch and mixes the rank's share of it.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainer.contract.recipes import Recipe
from trainer.data.draws import Draw, stream

Box = tuple[int, int, int, int]
"""Top, bottom, left and right in pixels; bottom and right are outside of it."""


class Mixing(NamedTuple):
    """How a whole batch is mixed."""

    partners: Tensor
    """int64 (batch_size,): for each position the one whose image is mixed in. A permutation."""
    share: float
    """What of the loss is for the first image's label, 0 to 1."""
    box: Box | None
    """What CutMix pastes from the partner. None is mixup, which blends the whole images."""


def draw_mixing(
    recipe: Recipe, side: int, *, seed: int, step: int, batch_size: int
) -> Mixing | None:
    """How a step's images, of `side` pixels, are mixed; None when the recipe does not mix."""
    if not recipe.mixup and not recipe.cutmix:
        return None
    partners = torch.from_numpy(stream(seed, Draw.PARTNERS, step).permutation(batch_size))
    if _blends(recipe, seed, step):
        share = stream(seed, Draw.MIXUP, step).beta(recipe.mixup, recipe.mixup)
        return Mixing(partners, float(share), box=None)
    box = _box(stream(seed, Draw.CUTMIX, step), recipe.cutmix, side)
    top, bottom, left, right = box
    return Mixing(partners, 1 - (bottom - top) * (right - left) / side**2, box)


def mix(images: Tensor, others: Tensor, share: float, box: Box | None) -> Tensor:
    """`images` (b, 3, S, S), changed in place to what they are with `others` mixed in."""
    if box is None:
        return images.mul_(share).add_(others, alpha=1 - share)
    top, bottom, left, right = box
    images[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return images


def _blends(recipe: Recipe, seed: int, step: int) -> bool:
    """Whether this step is one of mixup rather than of CutMix."""
    if recipe.mixup and recipe.cutmix:
        return bool(stream(seed, Draw.MIXUP_OR_CUTMIX, step).random() < 0.5)
    return recipe.mixup > 0


def _box(draws: np.random.Generator, alpha: float, side: int) -> Box:
    """A square of the area 1 − λ, λ from Beta(alpha, alpha), around any pixel, clipped to the image.

    Yun et al.: CutMix, 2019, equation 2.
    """
    half = int(side * sqrt(1 - draws.beta(alpha, alpha))) // 2
    row, column = (int(centre) for centre in draws.integers(side, size=2))
    return (
        max(row - half, 0),
        min(row + half, side),
        max(column - half, 0),
        min(column + half, side),
    )
