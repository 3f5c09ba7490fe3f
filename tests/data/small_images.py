"""Small random images and the batches that recipes make of them, for the tests of this folder."""

import torch

from trainer.contract.datasets import DATASETS
from trainer.contract.recipes import RECIPES, Recipe
from trainer.contract.transform import for_dataset
from trainer.data.batches import Batch, Inputs, inputs, pixel_mean, train_batch
from trainer.data.dataset import Images

COUNT, SIDE, BATCH, ITERATIONS = 50, 6, 12, 40


def images(count: int = COUNT, channels: int = 3, side: int = SIDE) -> Images:
    """Random pixels; the label is the image's number, so that a batch says which it has."""
    stream = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, channels, side, side), generator=stream, dtype=torch.uint8)
    return Images(pixels.expand(-1, 3, -1, -1), torch.arange(count))


def recipe(**said: object) -> Recipe:
    """The paper's of CIFAR, with fields of its own: images neither moved nor mirrored by default."""
    plain = {"crop_padding": 0, "flip": False}
    return RECIPES["paper-cifar"].recipe.model_copy(update=plain | said)


def batch(
    data: Images, with_recipe: Recipe, step: int, rank: int = 0, world: int = 1, *, seed: int = 7
) -> Batch:
    return train_batch(
        data,
        with_recipe,
        seed=seed,
        step=step,
        iterations=ITERATIONS,
        batch_size=BATCH,
        rank=rank,
        world=world,
    )


def fed(data: Images, one: Batch) -> Inputs:
    """What the network gets of a batch, on the CPU."""
    transform = for_dataset(DATASETS["cifar10"])
    return inputs(one, pixel_mean(data), transform, torch.device("cpu"), torch.contiguous_format)
