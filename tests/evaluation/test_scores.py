"""Averaged scores are those of a slow, obvious reference: one image and one view at a time, by Pillow."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.evaluation.candidates import CPU, candidate, noise
from trainer.contract import archs
from trainer.contract.evaluation import Protocol, view_sides
from trainer.contract.transform import Transform
from trainer.evaluation.scores import Candidate, check_takes, scores
from trainer.evaluation.version import Unfit
from trainer.evaluation.views import views
from trainer.models.build import build
from trainer.training.device import autocast

PROTOCOLS: tuple[Protocol, ...] = ("center", "10-crop", "multi-scale")
FP32 = autocast(CPU, "fp32")


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """(3, S, S) in 0 … 1 → (3, side, side), each colour as a picture of numbers."""
    pictures = [Image.fromarray(colour.astype(np.float32)) for colour in image]
    grown = [picture.resize((side, side), Image.Resampling.BILINEAR) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in grown])


def mirrored(image: np.ndarray) -> np.ndarray:
    return image[:, :, ::-1]


def seen(protocol: Protocol, image: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    """Every view of one image (3, S, S) in 0 … 1, written out."""
    side = image.shape[1]
    if protocol == "center":
        yield image - mean
    elif protocol == "10-crop":
        large = resized(image, round(side * 256 / 224))
        rest = large.shape[1] - side
        middle = rest // 2
        for down, right in [(0, 0), (0, rest), (rest, 0), (rest, rest), (middle, middle)]:
            crop = large[:, down : down + side, right : right + side]
            yield crop - mean
            yield mirrored(crop) - mean
    else:
        colours = mean.mean(axis=(1, 2)).reshape(3, 1, 1)
        for size in [224, 256, 384, 480, 640]:
            scaled = resized(image, round(side * size / 224))
            for picture in (scaled, mirrored(scaled)):
                yield picture - (mean if size == 224 else colours)


def probabilities(each: Candidate, index: int, protocol: Protocol) -> np.ndarray:
    """(classes,) of one image: softmax of each view, then the mean."""
    image = each.images.pixels[index].numpy() / 255
    found = []
    for view in seen(protocol, image, each.pixel_mean.numpy()):
        with torch.no_grad():
            logits = each.network(torch.tensor(view[None], dtype=torch.float32))[0].double().numpy()
        exponents = np.exp(logits - logits.max())
        found.append(exponents / exponents.sum())
    mean: np.ndarray = np.stack(found).mean(axis=0)
    return mean


def averaged(ensemble: list[Candidate], protocol: Protocol) -> Tensor:
    every = slice(0, len(ensemble[0].images))
    return scores(ensemble, every, protocol=protocol, precision=FP32).exp()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("side", [32, 27])
def test_each_protocol_equals_its_slow_reference(protocol: Protocol, side: int) -> None:
    one = candidate(images=noise(4, side))
    expected = np.stack([probabilities(one, index, protocol) for index in range(4)])
    np.testing.assert_allclose(averaged([one], protocol).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ensemble_is_the_mean_of_its_models_each_with_its_own_images(protocol: Protocol) -> None:
    """Of other sizes, other means and other depths."""
    ensemble = [
        candidate(images=noise(3)),
        candidate("resnet14", images=noise(3, 24, seed=1), seed=1),
        candidate("plain8", images=noise(3), seed=2),
    ]
    expected = [
        np.mean([probabilities(each, index, protocol) for each in ensemble], axis=0)
        for index in range(3)
    ]
    found = averaged(ensemble, protocol).numpy()
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)


def test_the_protocols_do_not_agree_with_one_another() -> None:
    """Or the comparisons above would prove little."""
    one = candidate(images=noise(4))
    found = [averaged([one], protocol) for protocol in PROTOCOLS]
    assert all((found[i] - found[j]).abs().max() > 1e-3 for i, j in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ensemble_of_one_is_the_model(protocol: Protocol) -> None:
    one = candidate()
    twice = averaged([one, one], protocol)
    torch.testing.assert_close(twice, averaged([one], protocol), rtol=0, atol=1e-12)


def test_the_center_view_is_what_training_validates_on() -> None:
    one = candidate()
    with torch.inference_mode():
        logits = one.network(one.images.pixels / 255 - one.pixel_mean)
    torch.testing.assert_close(averaged([one], "center").float(), logits.softmax(dim=1))


def test_a_probability_that_rounds_to_zero_has_a_finite_loss() -> None:
    one = candidate()
    with torch.no_grad():
        one.network.get_parameter("fc.bias")[0] = 5000
    found = scores([one], slice(0, 2), protocol="10-crop", precision=FP32)
    assert found.exp().min() == 0
    assert found.isfinite().all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_has_as_many_views_as_it_says(protocol: Protocol) -> None:
    transform = Transform(mode="rgb", resize=224, pad=0, input_size=224)
    pixels = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    found = [
        view.shape[-1] for view in views(protocol, pixels, torch.zeros(3, 224, 224), transform)
    ]
    assert len(found) == len(view_sides(protocol, 32))
    if protocol == "multi-scale":
        assert found == [224, 224, 256, 256, 384, 384, 480, 480, 640, 640]
    else:
        assert set(found) == {224}


@pytest.mark.parametrize("arch", ["maxout", "fitnet19"])
def test_a_network_of_one_size_refuses_what_is_larger(arch: str) -> None:
    fixed = replace(candidate(), network=build(archs.resolve(arch), 10).eval())
    check_takes(fixed, "center")
    check_takes(fixed, "10-crop")
    with pytest.raises(Unfit, match="images of 32 pixels and no others"):
        check_takes(fixed, "multi-scale")


@pytest.mark.parametrize("arch", ["resnet20", "plain20", "resnet50", "nin", "dsn", "highway19"])
def test_networks_that_pool_globally_take_every_size(arch: str) -> None:
    check_takes(replace(candidate(), network=build(archs.resolve(arch), 10).eval()), "multi-scale")
