"""AlexNet's colour augmentation: each image a little along the principal components of all colours.

Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep CNNs, 2012, section 4.1.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.dataset import Images
from trainer.data.draws import Draw, stream

BLOCK = 16
"""Images that are summed at a time: 19 MB of float64 at 224 × 224."""


def draw_colour(
    images: Images, deviation: float, *, seed: int, step: int, batch_size: int
) -> Tensor | None:
    """What is added to every pixel of each of a step's images: float32 (batch_size, 3), of 0 … 1.

    Of an image it is Σ α_i λ_i p_i with α_i ~ N(0, `deviation`). None when the deviation is 0.
    """
    if not deviation:
        return None
    alphas = stream(seed, Draw.COLOUR, step).normal(0, deviation, size=(batch_size, 3))
    return torch.from_numpy(alphas @ components(images).T).to(torch.float32)


@lru_cache(maxsize=2)
def components(images: Images) -> NDArray[np.float64]:
    """λ_i p_i as columns, the greatest λ first: eigenvalues and unit eigenvectors of the covariance
    of the pixels' red, green and blue, (3, 3).

    λ is a variance, so α λ p depends on the unit, which AlexNet does not give. Here pixels are of
    0 … 1, as where the formula is used with ImageNet's λ = 0.2175, 0.0188, 0.0045 (their sum is that
    of its channels' variances): a colour moves by 2 % of the range. With 0 … 255 it would leave it.
    Grey images have the one component (1, 1, 1) / √3.
    """
    eigen = np.linalg.eigh(covariance(images))
    values, vectors = eigen.eigenvalues[::-1].clip(min=0), eigen.eigenvectors[:, ::-1]
    # An eigenvector has no sign of its own: its first entry that is not about zero is positive.
    leading = np.abs(vectors) > 1e-6
    first = vectors[leading.argmax(axis=0), np.arange(3)]
    signed: NDArray[np.float64] = vectors * np.sign(first) * values
    return signed


def covariance(images: Images) -> NDArray[np.float64]:
    """Of the pixels' red, green and blue in 0 … 1: (3, 3). The same on any machine."""
    channels = images.channels.numpy()
    sums, products = np.zeros(channels.shape[1]), np.zeros((channels.shape[1],) * 2)
    for start in range(0, len(channels), BLOCK):
        # Whole numbers below 2**53 are exact in float64, in whatever order they are added.
        block = channels[start : start + BLOCK].swapaxes(0, 1)
        flat = block.reshape(len(block), -1).astype(np.float64)
        sums += flat.sum(axis=1)
        products += flat @ flat.T
    count = images.pixels[:, 0].numel()
    mean = sums / count
    spread = (products / count - np.outer(mean, mean)) / 255**2
    return np.broadcast_to(spread, (3, 3))
