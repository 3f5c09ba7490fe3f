"""Promises of the colour augmentation: along the components of the colours, as far as they vary."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.data.small_images import BATCH, batch, fed, images, recipe
from trainer.data.colour import components, covariance, draw_colour
from trainer.data.dataset import Images


def two_colours(first: tuple[int, int, int], second: tuple[int, int, int]) -> Images:
    """Half of each picture is of one colour and half of the other."""
    pixels = torch.empty(8, 3, 4, 4, dtype=torch.uint8)
    for rows, colour in ((slice(2), first), (slice(2, 4), second)):
        pixels[:, :, rows] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    return Images(pixels, torch.zeros(8, dtype=torch.int64))


def drawn(data: Images, deviation: float, steps: int = 20) -> Tensor:
    """float64 (n, 3)."""
    colours = [
        draw_colour(data, deviation, seed=0, step=step, batch_size=500) for step in range(steps)
    ]
    return torch.cat([one for one in colours if one is not None]).double()


def test_the_noise_of_two_colours_lies_on_the_line_between_them() -> None:
    data = two_colours((200, 10, 50), (100, 60, 50))
    apart = torch.tensor([100.0, -50.0, 0.0], dtype=torch.float64) / 255
    colours = drawn(data, 0.1)
    along = colours @ (apart / apart.norm())
    assert torch.allclose(colours, along[:, None] * apart / apart.norm(), atol=1e-7)
    # Halves at a distance d have the variance d²/4 along it.
    variance = float(apart.square().sum()) / 4
    assert float(along.std()) == pytest.approx(0.1 * variance, rel=0.03)
    assert abs(float(along.mean())) < 0.003 * variance


def test_the_noise_of_many_colours_has_the_components_of_their_covariance() -> None:
    data = images(200)
    pixels = data.pixels.permute(1, 0, 2, 3).reshape(3, -1).double() / 255
    assert np.allclose(covariance(data), torch.cov(pixels, correction=0), rtol=1e-12)
    # Of Σ α_i λ_i p_i the covariance is σ² C².
    expected = 0.3**2 * covariance(data) @ covariance(data)
    assert np.allclose(torch.cov(drawn(data, 0.3, 80).T), expected, atol=0.03 * expected.max())


def test_grey_images_become_lighter_or_darker_and_stay_grey() -> None:
    data = images(channels=1)
    colours = drawn(data, 0.1)
    assert torch.allclose(colours, colours[:, :1].expand(-1, 3), atol=1e-9)
    values = data.pixels[:, 0].double() / 255
    variance = 3 * float(values.var(correction=0))  # of the three equal channels along (1, 1, 1)
    assert float((colours @ torch.full((3,), 3**-0.5).double()).std()) == pytest.approx(
        0.1 * variance, rel=0.03
    )


def test_pictures_of_one_colour_alone_have_no_noise() -> None:
    data = two_colours((7, 8, 9), (7, 8, 9))
    assert drawn(data, 10.0).abs().max() < 1e-12


@pytest.mark.parametrize("channels", [1, 3])
def test_components_have_a_sign_and_do_not_depend_on_the_order_of_the_images(channels: int) -> None:
    data = images(700, channels)
    turned = Images(data.pixels.flip(0), data.labels)
    assert np.array_equal(components(data), components(turned))
    sizes = np.linalg.norm(components(data), axis=0)
    assert (np.diff(sizes) <= 0).all()
    assert (components(data)[0, sizes > 1e-9] > 0).all()


def test_the_noise_is_added_once_the_mean_is_subtracted() -> None:
    data = images()
    still, moved = (batch(data, recipe(colour_noise=noise), 2) for noise in (0.0, 0.5))
    assert still.colour is None
    assert moved.colour is not None
    assert moved.colour.shape == (BATCH, 3)
    assert torch.equal(moved.pixels, still.pixels)
    expected = fed(data, still).images + moved.colour[:, :, None, None]
    assert torch.equal(fed(data, moved).images, expected)
    assert len({tuple(one) for one in moved.colour.tolist()}) == BATCH
