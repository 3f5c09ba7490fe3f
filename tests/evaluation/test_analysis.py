"""Responses and gradients are those of all images at once, computed the plain way."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from tests.evaluation.candidates import candidate, noise
from trainer.contract.analysis import Analysis, Layer
from trainer.evaluation.analysis import AT_ONCE, analyse
from trainer.evaluation.picture import draw
from trainer.evaluation.scores import Candidate

COUNT = AT_ONCE * 2 + 3  # the last batch is not full


def plain_responses(one: Candidate) -> dict[str, Tensor]:
    """What every layer of a resnet8 gives on all images, by going through the network by hand."""
    network: Any = one.network
    found = {}
    x = network.stem[0](one.images.pixels / 255 - one.pixel_mean)
    found["stem.0"] = x
    x = x.relu()
    for i, stage in enumerate(network.stages):
        for j, block in enumerate(stage):
            name = f"stages.{i}.{j}"
            first = block.conv1(x)
            second = block.conv2(first.relu())
            found |= {f"{name}.conv1": first, f"{name}.conv2": second}
            if any(True for _ in block.shortcut.parameters()):
                found[f"{name}.shortcut"] = block.shortcut(x)
            x = (second + block.shortcut(x)).relu()
    found["fc"] = network.fc(x.mean(dim=(2, 3)))
    return found


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_responses_are_those_of_fig_7(shortcut: str) -> None:
    """Behind the batch normalisation, before the ReLU and the addition; projections in their place."""
    one = candidate(images=noise(COUNT), shortcut=shortcut)
    with torch.no_grad():
        expected = plain_responses(one)
    layers = analyse(one)
    assert [layer.name for layer in layers] == list(expected)
    assert [layer.index for layer in layers] == list(range(1, len(expected) + 1))
    kernels = {
        layer.name: 1 if "shortcut" in layer.name else None if layer.name == "fc" else 3
        for layer in layers
    }
    assert {layer.name: layer.kernel for layer in layers} == kernels
    for layer in layers:
        values = expected[layer.name].double().numpy()
        assert layer.response_std == pytest.approx(float(np.std(values)), rel=1e-5)


def test_gradients_are_those_of_the_mean_loss_over_all_images() -> None:
    one = candidate(images=noise(COUNT))
    layers = analyse(one)
    one.network.requires_grad_()
    logits = one.network(one.images.pixels / 255 - one.pixel_mean)
    functional.cross_entropy(logits, one.images.labels).backward()  # type: ignore[no-untyped-call]
    weights = {
        name.removesuffix(".weight").removesuffix(".conv"): weight
        for name, weight in one.network.named_parameters()
        if name.endswith("conv.weight") or name == "fc.weight"
    }
    assert [layer.name for layer in layers] == list(weights)
    for layer in layers:
        gradient = weights[layer.name].grad
        assert gradient is not None
        assert layer.gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-4)


def test_a_layer_without_batch_normalisation_is_seen_before_its_relu() -> None:
    one = candidate(images=noise(7, 8))
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 10)
    )
    layers = analyse(Candidate(network, one.pixel_mean, one.transform, one.images))
    with torch.no_grad():
        expected = network[0](one.images.pixels / 255 - one.pixel_mean)
    assert [layer.name for layer in layers] == ["0", "3"]
    assert layers[0].response_std == pytest.approx(float(np.std(expected.numpy())), rel=1e-5)


def test_only_the_first_images_are_looked_at() -> None:
    images = noise(40)
    few = type(images)(images.pixels[:9], images.labels[:9])
    assert analyse(candidate(images=images), first=9) == analyse(candidate(images=few))


def test_the_network_stays_as_it_was() -> None:
    one = candidate()
    one.network.requires_grad_(requires_grad=False)
    before = {name: tensor.clone() for name, tensor in one.network.state_dict().items()}
    analyse(one)
    assert all(torch.equal(before[name], now) for name, now in one.network.state_dict().items())
    assert not any(weight.requires_grad for weight in one.network.parameters())
    assert not any(module._forward_hooks for module in one.network.modules())


def test_the_picture_shows_the_numbers() -> None:
    def picture(stds: list[float]) -> Image.Image:
        layers = tuple(
            Layer(name=f"layer-{i}", index=i, kernel=3, response_std=std, gradient_norm=1 / i)
            for i, std in enumerate(stds, start=1)
        )
        found = Analysis(
            model="fashion:1", arch="resnet20", dataset="digits", images=360, layers=layers
        )
        return Image.open(BytesIO(draw(found)))

    first, other = picture([0.5, 1.0, 2.0]), picture([2.0, 1.0, 0.5])
    assert first.format == "PNG"
    assert min(first.size) >= 600
    bottom = (0, first.height // 2, *first.size)
    left = (0, 0, first.width // 2, first.height // 2)
    assert first.crop(left).tobytes() != other.crop(left).tobytes()
    assert first.crop(bottom).tobytes() == other.crop(bottom).tobytes()
