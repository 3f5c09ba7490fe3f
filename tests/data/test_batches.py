"""Promises of the batches: which images, and how they are shown, follows from (seed, step) alone."""

import hashlib
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.data.small_images import BATCH, COUNT, SIDE, batch, fed, images, recipe
from trainer.contract.datasets import DATASETS
from trainer.contract.transform import for_dataset
from trainer.data.batches import (
    inputs,
    normalise,
    order,
    pixel_mean,
    progressive,
    share,
    val_batches,
)

MOVED = recipe(crop_padding=2, flip=True)
OPTIONS: dict[str, dict[str, Any]] = {
    "crop and flip": {"crop_padding": 2, "flip": True},
    "scale": {"shorter_side": (256, 480)},
    "colour": {"colour_noise": 0.5},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
    "progressive": {"progressive_from": 0.5},
}
EVERYTHING: dict[str, Any] = {key: value for one in OPTIONS.values() for key, value in one.items()}
EACH = pytest.mark.parametrize(
    "said", [*OPTIONS.values(), EVERYTHING], ids=[*OPTIONS, "everything"]
)


@pytest.mark.parametrize("world", [1, 2, 3, 5, 12])
def test_shares_cover_everything_once_and_differ_by_one_at_most(world: int) -> None:
    for size in (0, 1, 11, 12, 100):
        shares = [range(size)[share(size, rank, world)] for rank in range(world)]
        assert [i for one in shares for i in one] == list(range(size))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@EACH
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("world", [2, 3, 5])
def test_the_number_of_workers_does_not_change_what_the_networks_get(
    world: int, channels: int, said: dict[str, Any]
) -> None:
    data, how = images(channels=channels, side=16), recipe(**said)
    for step in (0, 3, 9):
        whole = fed(data, batch(data, how, step))
        parts = [fed(data, batch(data, how, step, rank, world)) for rank in range(world)]
        assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
        assert {part.share for part in parts} == {whole.share}
        partners = [part.partners for part in parts if part.partners is not None]
        assert len(partners) == (0 if whole.partners is None else world)
        if whole.partners is not None:
            assert torch.equal(torch.cat(partners), whole.partners)


@EACH
def test_a_batch_does_not_depend_on_those_before(said: dict[str, Any]) -> None:
    data, how = images(), recipe(**said)
    steps = [fed(data, batch(data, how, step)) for step in range(10)]
    for step in (9, 2, 5):
        again = images()  # nothing of the first run is left
        assert torch.equal(fed(again, batch(again, how, step)).images, steps[step].images)


def test_no_option_changes_what_another_one_draws() -> None:
    data = images()
    for step in (0, 7):
        among = batch(data, recipe(**EVERYTHING | {"mixup": 0.0}), step)
        coloured, pasted = (
            batch(data, recipe(**said), step) for said in ({"colour_noise": 0.5}, {"cutmix": 1.0})
        )
        assert torch.equal(among.labels, pasted.labels)
        assert among.colour is not None
        assert coloured.colour is not None
        assert torch.equal(among.colour, coloured.colour)
        assert among.mixed
        assert pasted.mixed
        assert torch.equal(among.mixed.labels, pasted.mixed.labels)
        assert among.mixed.box == pasted.mixed.box


def test_a_seed_gives_the_same_batch_on_every_machine_and_with_every_version() -> None:
    one = batch(images(), MOVED, 9)
    digest = hashlib.sha256(one.pixels.numpy().tobytes() + one.labels.numpy().tobytes())
    assert digest.hexdigest().startswith("a529654d")


def test_an_epoch_shows_an_image_once_and_drops_the_incomplete_batch() -> None:
    data, per_epoch = images(), COUNT // BATCH
    epochs = [
        torch.cat([batch(data, MOVED, epoch * per_epoch + i).labels for i in range(per_epoch)])
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


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_are_contiguous_bytes_of_three_channels(channels: int) -> None:
    data = images(channels=channels)
    one = batch(data, recipe(**EVERYTHING), 0)
    assert one.mixed
    shown = [(one.pixels, one.labels), (one.mixed.pixels, one.mixed.labels)]
    for pixels, labels in (*shown, *val_batches(data, batch_size=BATCH, rank=0, world=1)):
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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_without_options_the_network_gets_the_normalised_bytes(layout: torch.memory_format) -> None:
    data, transform = images(), for_dataset(DATASETS["cifar10"])
    one, mean = batch(data, recipe(), 3), pixel_mean(data)
    got = inputs(one, mean, transform, torch.device("cpu"), layout)
    assert torch.equal(got.images, normalise(data.pixels[one.labels], mean, transform))
    assert got.images.is_contiguous(memory_format=layout)
    assert torch.equal(got.labels, one.labels)
    assert (got.partners, got.share) == (None, 1.0)


def test_images_grow_over_three_quarters_of_the_run_and_stay() -> None:
    how, run = recipe(progressive_from=0.5), 400
    sides = [progressive(how, 32, step, run) for step in range(run)]
    assert sides[0] == 16
    assert set(sides) == {16, 20, 24, 28, 32}
    assert sides == sorted(sides)
    assert sides[150] == 24  # half of the growth after half of the three quarters
    assert sides[300:] == [32] * 100
    assert {progressive(recipe(), 32, step, run) for step in range(run)} == {32}


@pytest.mark.parametrize(("size", "smallest"), [(8, 8), (9, 8), (31, 8), (33, 8), (224, 24)])
def test_images_never_grow_beyond_the_input_size_and_end_with_it(size: int, smallest: int) -> None:
    sides = [progressive(recipe(progressive_from=0.1), size, step, 40) for step in range(40)]
    assert min(sides) == sides[0] == smallest
    assert max(sides) == sides[-1] == size
    assert all(side % 4 == 0 or side == size for side in sides)


def test_progressive_images_are_the_normalised_ones_made_smaller() -> None:
    data = images(side=32)
    full, half = (batch(data, recipe(progressive_from=start), 0) for start in (1.0, 0.5))
    assert (full.side, half.side) == (32, 16)
    expected = functional.interpolate(
        fed(data, full).images, (16, 16), mode="bilinear", antialias=True
    )
    assert torch.equal(fed(data, half).images, expected)
