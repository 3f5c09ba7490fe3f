"""Promises of where an image is seen: mirrored, cropped with padding, and in a window of a larger one."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from tests.data.small_images import SIDE, batch, images, recipe
from trainer.contract.datasets import DATASETS
from trainer.contract.transform import for_dataset
from trainer.data.augment import draw_views, view
from trainer.data.batches import normalise, pixel_mean


def test_neither_crop_nor_flip_leaves_images_as_they_are() -> None:
    data = images()
    one = batch(data, recipe(), 0)
    assert torch.equal(one.pixels, data.pixels[one.labels])


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    data, mirrored = images(), 0
    for step in range(20):
        one = batch(data, recipe(flip=True), step)
        for image, original in zip(one.pixels, data.pixels[one.labels], strict=True):
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
        one = batch(data, recipe(crop_padding=padding, flip=True), step)
        for image, original in zip(one.pixels, data.pixels[one.labels], strict=True):
            matches = [
                key for key, seen_so in windows(original).items() if torch.equal(seen_so, image)
            ]
            assert len(matches) == 1
            seen.add(matches[0])
    assert len(seen) == 18


def test_padding_is_zero_once_the_mean_is_subtracted() -> None:
    data = images()
    mean, transform = pixel_mean(data), for_dataset(DATASETS["cifar10"])
    # A crop shifted by the whole side would be padding only; by 5 of 6, one row at most is image.
    pixels = batch(data, recipe(crop_padding=SIDE), 0).pixels
    zero = normalise(pixels, mean, transform).abs() <= 0.5 / 255 + 1e-6
    assert zero.float().mean() > 0.5


def ramp(side: int) -> Tensor:
    """Colours that differ everywhere, with edges among them: uint8 (3, side, side)."""
    y, x = np.mgrid[0:side, 0:side]
    edges = 200 * ((x // 5 + y // 7) % 2)
    planes = np.stack([x * 255 // side, y * 255 // side, edges])
    return torch.from_numpy(planes.astype(np.uint8))


@pytest.mark.parametrize("side", [32, 56])
def test_scale_jitter_sees_a_window_of_the_enlarged_picture(side: int) -> None:
    count = 40
    views = draw_views(recipe(shorter_side=(256, 480)), side, seed=0, step=0, batch_size=count)
    assert views.windows is not None
    pixels = ramp(side).expand(count, -1, -1, -1)
    picture = Image.fromarray(ramp(side).permute(1, 2, 0).numpy())
    seen = view(pixels, views, padding=0, border=pixels[0])
    for window, (enlarged, top, left) in zip(seen, views.windows.tolist(), strict=True):
        large = np.asarray(picture.resize((enlarged, enlarged), Image.Resampling.BILINEAR))
        expected = large[top : top + side, left : left + side].transpose(2, 0, 1)
        assert window.shape == expected.shape
        # Pillow rounds after the rows and again after the columns.
        assert np.abs(window.numpy().astype(int) - expected.astype(int)).max() <= 1


def test_scale_jitter_draws_every_side_of_its_range_and_stays_in_the_picture() -> None:
    drawn = [
        draw_views(recipe(shorter_side=(256, 480)), 32, seed=0, step=step, batch_size=64).windows
        for step in range(40)
    ]
    windows = torch.cat([one for one in drawn if one is not None])
    sides, corners = windows[:, 0], windows[:, 1:]
    assert len(windows) == 40 * 64
    assert set(sides.tolist()) == set(range(37, 70))  # 256 and 480 times 32/224
    assert corners.min() == 0
    assert (corners.amax(dim=1) <= sides - 32).all()
    assert (corners[sides == 37] == 5).any()  # the last window is one of them


def test_a_range_of_the_input_size_alone_is_no_jitter() -> None:
    data = images()
    one = batch(data, recipe(shorter_side=(224, 224)), 0)
    assert torch.equal(one.pixels, data.pixels[one.labels])


def test_jitter_and_the_padded_crop_do_not_change_what_the_other_draws() -> None:
    moves: dict[str, object] = {"crop_padding": 2, "flip": True}
    scales: dict[str, object] = {"shorter_side": (256, 480)}
    moved, scaled, both = (
        draw_views(recipe(**said), 32, seed=0, step=3, batch_size=9)
        for said in (moves, scales, moves | scales)
    )
    assert scaled.mirrored is scaled.shifts is moved.windows is None
    for alone, among in (
        (moved.mirrored, both.mirrored),
        (moved.shifts, both.shifts),
        (scaled.windows, both.windows),
    ):
        assert alone is not None
        assert among is not None
        assert torch.equal(alone, among)


@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_a_picture_of_one_colour_keeps_it_at_any_scale(value: int) -> None:
    pixels = torch.full((16, 3, 32, 32), value, dtype=torch.uint8)
    views = draw_views(recipe(shorter_side=(224, 2240)), 32, seed=0, step=0, batch_size=16)
    assert torch.equal(view(pixels, views, padding=0, border=pixels[0]), pixels)
