"""Promises of the paper's baselines: they are their sources', and they learn."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.contract.baselines import BASELINES
from trainer.contract.chains import chain
from trainer.contract.family import Family
from trainer.models.build import build
from trainer.models.chain import sequence
from trainer.models.guided import Guided
from trainer.models.highway import HighwayConv
from trainer.models.maxout import Maxout
from trainer.models.pyramid import PyramidPool

LARGE = [name for name, network in BASELINES.items() if network.family is Family.IMAGENET]
SMALL = [name for name in BASELINES if name not in LARGE]
GUIDED = {"googlenet": 2, "dsn": 3}
"""Auxiliary classifiers."""


def seeded(name: str, classes: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return build(BASELINES[name], classes)


def loss_of(out: Tensor | Guided, labels: Tensor) -> Tensor:
    if isinstance(out, Tensor):
        return functional.cross_entropy(out, labels)
    sides = [functional.cross_entropy(each, labels) for each in out.auxiliary]
    return functional.cross_entropy(out.logits, labels) + out.weight * torch.stack(sides).sum()


@pytest.mark.parametrize("name", BASELINES)
def test_an_image_becomes_logits(name: str) -> None:
    with torch.device("meta"):
        net, side = seeded(name, 7).eval(), BASELINES[name].input_size
        assert net(torch.empty(2, 3, side, side)).shape == (2, 7)


@pytest.mark.parametrize("name", LARGE)
def test_baselines_for_large_images_take_any_size(name: str) -> None:
    with torch.device("meta"):
        net = seeded(name).eval()
        for height, width in ((32, 32), (225, 225), (256, 320), (480, 480)):
            assert net(torch.empty(1, 3, height, width)).shape == (1, 10)


@pytest.mark.parametrize("name", BASELINES)
def test_only_training_sees_auxiliary_classifiers(name: str) -> None:
    with torch.device("meta"):
        net, side = seeded(name), BASELINES[name].input_size
        out = net.train()(torch.empty(2, 3, side, side))
    assert isinstance(out, Guided) == (name in GUIDED)
    if isinstance(out, Guided):
        assert out.logits.shape == (2, 10)
        assert [each.shape for each in out.auxiliary] == [(2, 10)] * GUIDED[name]
        assert 0 < out.weight < 1


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "vgg19"])  # a large vgg16
def test_every_parameter_learns_and_the_loss_falls(name: str) -> None:
    net = seeded(name)
    images, labels = torch.randn(8, 3, 32, 32) / 4, torch.arange(8) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    losses = []
    for _ in range(2):
        torch.manual_seed(1)  # the same units are dropped out
        loss = loss_of(net(images), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    still = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize("name", ["prelunet", "nin", "maxout", "dsn", "fitnet19", "highway32"])
def test_values_neither_grow_nor_vanish_on_their_way(name: str) -> None:
    torch.manual_seed(0)
    net = sequence(chain(BASELINES[name].name, 10), 32).eval()
    with torch.no_grad():
        assert 0.002 < net(torch.randn(8, 3, 32, 32)).std().item() < 2


def test_vgg_and_googlenet_have_torchvision_s_names() -> None:
    with torch.device("meta"):
        assert "features.0.weight" in seeded("vgg16").state_dict()
        names = seeded("googlenet").state_dict()
    assert {"inception4a.branch2.1.conv.weight", "aux1.fc2.bias", "fc.weight"} <= names.keys()


def test_maxout_is_the_largest_of_its_pieces() -> None:
    x = torch.randn(2, 6, 4, 4)
    out = Maxout(2)(x)
    assert torch.equal(out, torch.maximum(x[:, 0::2], x[:, 1::2]))
    assert torch.equal(Maxout(3)(x[:, :, 0, 0])[:, 0], x[:, :3, 0, 0].amax(dim=1))


def test_a_highway_layer_mixes_its_input_with_its_transform() -> None:
    layer, x = HighwayConv(3, 4), torch.randn(2, 4, 5, 5)
    h, t = functional.relu(layer.transform(x)), torch.sigmoid(layer.gate(x))
    assert torch.allclose(layer(x), h * t + x * (1 - t))


def test_highway_gates_begin_nearly_closed() -> None:
    gates = [m.gate for m in seeded("highway19").modules() if isinstance(m, HighwayConv)]
    assert len(gates) == 14
    for gate in gates:
        assert gate.bias is not None
        assert torch.equal(gate.bias, torch.full_like(gate.bias, -2))


@pytest.mark.parametrize(("height", "width"), [(14, 14), (9, 20), (2, 2), (30, 7)])
def test_a_pyramid_is_adaptive_pooling_whatever_the_image(height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width)
    grids = [functional.adaptive_max_pool2d(x, side).flatten(1) for side in (7, 3, 2, 1)]
    out = PyramidPool((7, 3, 2, 1))(x)
    assert out.shape == (2, 3 * 63)
    assert torch.equal(out, torch.cat(grids, dim=1))


def test_prelu_net_has_a_slope_for_every_channel() -> None:
    with torch.device("meta"):
        slopes = [m.num_parameters for m in seeded("prelunet").modules() if isinstance(m, nn.PReLU)]
    assert slopes == [96] + [256] * 5 + [512] * 10 + [4096] * 2


def test_the_originals_without_batch_normalisation_have_none() -> None:
    with torch.device("meta"):
        having = [
            n for n in BASELINES if any(isinstance(m, nn.BatchNorm2d) for m in seeded(n).modules())
        ]
    assert having == ["googlenet"]  # torchvision's
