"""Promises of mixup and CutMix: what is seen of two images is what is asked of the network."""

import pytest
import torch

from tests.data.small_images import BATCH, batch, fed, images, recipe
from trainer.data.batches import pixel_mean
from trainer.data.mixing import Mixing, draw_mixing

SIDE = 32


def mixings(steps: int = 400, *, side: int = SIDE, **said: object) -> list[Mixing]:
    drawn = (
        draw_mixing(recipe(**said), side, seed=0, step=step, batch_size=BATCH)
        for step in range(steps)
    )
    return [one for one in drawn if one is not None]


def test_a_recipe_without_mixing_mixes_nothing() -> None:
    assert mixings() == []
    assert batch(images(), recipe(), 0).mixed is None


def test_every_image_of_a_batch_is_one_images_partner() -> None:
    data = images()
    for step in range(4):
        one = batch(data, recipe(mixup=0.2), step)
        assert one.mixed
        assert one.labels.sort().values.equal(one.mixed.labels.sort().values)
        assert not one.labels.equal(one.mixed.labels)


@pytest.mark.parametrize("said", [{"mixup": 0.2}, {"cutmix": 1.0}], ids=str)
def test_a_partner_looks_as_it_does_in_its_own_place(said: dict[str, float]) -> None:
    moves = {"crop_padding": 2, "flip": True, "shorter_side": (256, 480), "colour_noise": 1.0}
    one = batch(images(side=16), recipe(**moves, **said), 1)
    assert one.mixed
    assert one.colour is not None
    assert one.mixed.colour is not None
    for position, label in enumerate(one.mixed.labels):
        own = one.labels.tolist().index(int(label))
        assert torch.equal(one.mixed.pixels[position], one.pixels[own])
        assert torch.equal(one.mixed.colour[position], one.colour[own])


def test_mixup_blends_images_by_the_share_of_their_labels() -> None:
    data = images()
    alone, mixed = (fed(data, batch(data, recipe(mixup=alpha), 1)) for alpha in (0.0, 1.0))
    assert mixed.partners is not None
    assert torch.equal(mixed.labels, alone.labels)
    assert 0.05 < mixed.share < 0.95
    values = data.pixels.float() / 255 - pixel_mean(data)  # the label is the image's number
    expected = mixed.share * values[mixed.labels] + (1 - mixed.share) * values[mixed.partners]
    assert torch.allclose(mixed.images, expected, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixups_share_is_drawn_from_beta(alpha: float) -> None:
    shares = torch.tensor([one.share for one in mixings(2000, mixup=alpha)])
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_cutmix_pastes_its_box_and_its_share_is_what_is_left() -> None:
    data = images(side=16)
    for step in range(20):
        alone, pasted = (batch(data, recipe(cutmix=alpha), step) for alpha in (0.0, 1.0))
        assert pasted.mixed
        assert pasted.mixed.box
        top, bottom, left, right = pasted.mixed.box
        first = torch.ones(16, 16, dtype=torch.bool)
        first[top:bottom, left:right] = False
        got = fed(data, pasted)
        assert got.share == float(first.double().mean())
        values = data.pixels.float() / 255 - pixel_mean(data)
        expected = torch.where(first, values[alone.labels], values[pasted.mixed.labels])
        assert torch.allclose(got.images, expected, atol=1e-6)


def test_cutmixs_boxes_lie_in_the_image_and_reach_all_of_it() -> None:
    covered, areas = torch.zeros(SIDE, SIDE), []
    for one in mixings(cutmix=1.0):
        assert one.box
        top, bottom, left, right = one.box
        assert 0 <= top <= bottom <= SIDE
        assert 0 <= left <= right <= SIDE
        assert one.share == 1 - (bottom - top) * (right - left) / SIDE**2
        covered[top:bottom, left:right] += 1
        areas.append(1 - one.share)
    assert covered.min() > 0
    # λ is uniform for alpha 1, and clipping at the borders takes away some of 1 − λ.
    assert 0.25 < sum(areas) / len(areas) < 0.5


def test_with_both_each_step_draws_one_of_them_as_it_would_be_alone() -> None:
    both = mixings(mixup=0.4, cutmix=1.0)
    blended = [one.box is None for one in both]
    assert 160 < sum(blended) < 240  # of 400
    alone = zip(both, mixings(mixup=0.4), mixings(cutmix=1.0), strict=True)
    for one, mixup, cutmix in alone:
        same = mixup if one.box is None else cutmix
        assert (one.share, one.box) == (same.share, same.box)
        assert torch.equal(one.partners, same.partners)
