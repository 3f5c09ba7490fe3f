"""Promises of the batches: which images, how shifted, follows from (seed, step) and nothing else."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainer.contract.datasets import DATASETS
from trainer.contract.transform import for_dataset
from trainer.data.batches import (
    normalise,
    order,
    pixel_mean,
    share,
    train_batch,
    val_batches,
)
from trainer.data.dataset import Images

COUNT, SIDE, BATCH = 50, 6, 12


def images(count: int = COUNT, channels: int = 3) -> Images:
    """Random pixels; the label is the image's number, so that a batch says which it has."""
    stream = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, channels, SIDE, SIDE), generator=stream, dtype=torch.uint8)
    return Images(pixels.expand(-1, 3, -1, -1), torch.arange(count))


def batch(
    data: Images, step: int, rank: int = 0, world: int = 1, **said: Any
) -> tuple[Tensor, Tensor]:
    plain = {"seed": 7, "batch_size": BATCH, "crop_padding": 2, "flip": True}
    return train_batch(data, step=step, rank=rank, world=world, **(plain | said))


@pytest.mark.parametrize("world", [1, 2, 3, 5, 12])
def test_shares_cover_everything_once_and_differ_by_one_at_most(world: int) -> None:
    for size in (0, 1, 11, 12, 100):
        shares = [range(size)[share(size, rank, world)] for rank in range(world)]
        assert [i for one in shares for i in one] == list(range(size))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("world", [2, 3, 5, 12])
def test_the_number_of_workers_does_not_change_a_batch(world: int) -> None:
    data = images()
    for step in (0, 3, 9):
        pixels, labels = batch(data, step)
        parts = [batch(data, step, rank, world) for rank in range(world)]
        assert torch.equal(torch.cat([part for part, _ in parts]), pixels)
        assert torch.equal(torch.cat([part for _, part in parts]), labels)


def test_a_batch_does_not_depend_on_those_before() -> None:
    data = images()
    steps = [batch(data, step)[0] for step in range(10)]
    for step in (9, 2, 5):
        assert torch.equal(batch(images(), step)[0], steps[step])


def test_an_epoch_shows_an_image_once_and_drops_the_incomplete_batch() -> None:
    data, per_epoch = images(), COUNT // BATCH
    epochs = [
        torch.cat([batch(data, epoch * per_epoch + i)[1] for i in range(per_epoch)])
        for epoch in range(3)
    ]
    for seen in epochs:
        assert len(set(seen.tolist())) == len(seen) == per_epoch * BATCH
    assert not torch.equal(epochs[0], epochs[1])


def test_an_order_is_a_permutation_of_its_seed_and_epoch() -> None:
    first = order(COUNT, seed=1, epoch=0)
    assert torch.equal(first.sort().values, torch.arange(COUNT))
    assert torch.equal(first, order(COUNT, seed=1, epoch=0))
    for other in (order(COUNT, seed=2, epoch=0), order(COUNT, seed=1, epoch=1)):
        assert not torch.equal(first, other)


def test_neither_crop_nor_flip_leaves_images_as_they_are() -> None:
    data = images()
    pixels, labels = batch(data, 0, crop_padding=0, flip=False)
    assert torch.equal(pixels, data.pixels[labels])


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    data, mirrored = images(), 0
    for step in range(20):
        pixels, labels = batch(data, step, crop_padding=0)
        for image, original in zip(pixels, data.pixels[labels], strict=True):
            flipped = torch.equal(image, original.flip(-1))
            assert flipped or torch.equal(image, original)
            mirrored += flipped
    assert 90 < mirrored < 150  # of 240


def test_a_crop_is_a_window_of_the_padded_image_and_all_windows_come() -> None:
    data, padding, seen = images(), 1, set()
    border = (pixel_mean(data) * 255).round().to(torch.uint8)
    inside = functional.pad(torch.ones(SIDE, SIDE, dtype=torch.bool), (padding,) * 4)

    def windows(image: Tensor) -> dict[tuple[int, int, bool], Tensor]:
        return {
            (row, column, flip): torch.where(
                inside[row : row + SIDE, column : column + SIDE],
                functional.pad(image.flip(-1) if flip else image, (padding,) * 4)[
                    :, row : row + SIDE, column : column + SIDE
                ],
                border,
            )
            for row in range(3)
            for column in range(3)
            for flip in (False, True)
        }

    for step in range(12):
        pixels, labels = batch(data, step, crop_padding=padding)
        for image, original in zip(pixels, data.pixels[labels], strict=True):
            matches = [key for key, one in windows(original).items() if torch.equal(one, image)]
            assert len(matches) == 1
            seen.add(matches[0])
    assert len(seen) == 18


def test_padding_is_zero_once_the_mean_is_subtracted() -> None:
    data = images()
    mean, transform = pixel_mean(data), for_dataset(DATASETS["cifar10"])
    # A crop shifted by the whole side would be padding only; by 5 of 6, one row at most is image.
    pixels, _ = batch(data, 0, crop_padding=SIDE)
    zero = normalise(pixels, mean, transform).abs() <= 0.5 / 255 + 1e-6
    assert zero.float().mean() > 0.5


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_are_contiguous_bytes_of_three_channels(channels: int) -> None:
    data = images(channels=channels)
    for pixels, labels in (batch(data, 0), *val_batches(data, batch_size=BATCH, rank=0, world=1)):
        assert pixels.is_contiguous()
        assert pixels.dtype == torch.uint8
        assert pixels.shape == (len(labels), 3, SIDE, SIDE)


@pytest.mark.parametrize("world", [1, 2, 3, 7, 60])
def test_every_validation_image_is_seen_once_over_all_workers(world: int) -> None:
    data = images()
    parts = [
        part
        for rank in range(world)
        for part in val_batches(data, batch_size=8, rank=rank, world=world)
    ]
    assert torch.equal(torch.cat([labels for _, labels in parts]), data.labels)
    assert torch.equal(torch.cat([pixels for pixels, _ in parts]), data.pixels)
    assert max(len(labels) for _, labels in parts) <= 8


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pixel_mean_is_the_mean_image(channels: int) -> None:
    data = images(channels=channels)
    mean = pixel_mean(data)
    assert mean.dtype == torch.float32
    assert torch.allclose(mean, data.pixels.double().mean(dim=0).float() / 255)


def test_normalised_images_have_the_mean_zero_and_leave_the_bytes_alone() -> None:
    data = images()
    before = data.pixels.clone()
    values = normalise(data.pixels, pixel_mean(data), for_dataset(DATASETS["cifar10"]))
    assert values.mean(dim=0).abs().max() < 1e-6
    assert values.min() >= -1
    assert values.max() <= 1
    assert torch.equal(data.pixels, before)
