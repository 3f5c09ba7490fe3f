"""The moving average of the weights: what it comes to, and that it stands apart."""

import pytest
import torch
from torch import nn

from trainer.training.average import Average


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def set_to(net: nn.Module, value: float) -> None:
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.fill_(value)


def test_the_decay_rises_to_its_full_value() -> None:
    net = network()
    set_to(net, 0.0)
    average = Average(net, 0.25)
    expected = 0.0
    for step, decay in ((1, 2 / 11), (2, 3 / 12), (3, 0.25), (4, 0.25)):
        set_to(net, float(step))
        average.update(step)
        expected = decay * expected + (1 - decay) * step
        averaged = average.network.state_dict()
        assert averaged["0.weight"].flatten().tolist() == pytest.approx([expected] * 6)
        assert averaged["1.running_var"].tolist() == pytest.approx([expected] * 3)
        assert averaged["1.num_batches_tracked"].item() == step


def test_the_network_that_is_trained_stays_as_it_is() -> None:
    net = network()
    average = Average(net, 0.9)
    set_to(net, 1.0)
    average.update(1)
    assert all(bool((tensor == 1).all()) for tensor in net.state_dict().values())
    assert net.training
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_a_network_without_statistics_has_an_average_too() -> None:
    net = nn.Linear(1, 1)
    average = Average(net, 0.9)
    set_to(net, 1.0)
    average.update(1000)
    assert average.network.get_parameter("weight").item() != 1
