"""Promises of checkpointed activations: less memory, and the same run to the last bit."""

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from trainer.contract import archs
from trainer.models.build import build
from trainer.models.resnet import ResNet


def network(arch: str, *, checkpoint_activations: bool) -> ResNet:
    torch.manual_seed(0)
    described = archs.resolve(arch)
    built = build(described, 10, checkpoint_activations=checkpoint_activations)
    assert isinstance(built, ResNet)
    return built


def step(net: ResNet, images: Tensor) -> int:
    """One step of training. Returns the bytes that its forward pass keeps for the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = functional.cross_entropy(net(images), torch.arange(len(images)) % 10)
    own = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}
    torch.autograd.backward(loss)
    optimizer.step()
    return sum(size for pointer, size in kept.items() if pointer not in own)


@pytest.mark.parametrize("arch", ["resnet20", "plain20", "resnet50"])
def test_two_steps_with_checkpointed_activations_are_two_steps_without(arch: str) -> None:
    nets = [network(arch, checkpoint_activations=on) for on in (False, True)]
    for seed in range(2):
        torch.manual_seed(seed)
        images = torch.randn(2, 3, 64, 64)
        for net in nets:
            step(net, images)
    usual, ours = (net.state_dict() for net in nets)
    assert usual.keys() == ours.keys()
    assert {name for name in usual if not torch.equal(usual[name], ours[name])} == set()
    assert ours["stages.0.0.conv1.norm.num_batches_tracked"] == 2
    for mine, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad, theirs.grad)


def test_1202_layers_train_in_a_quarter_of_the_memory() -> None:
    images = torch.randn(1, 3, 32, 32)
    nets = [network("resnet1202", checkpoint_activations=on) for on in (False, True)]
    usual, ours = (step(net, images) for net in nets)
    assert ours < usual * 0.26  # of the four tensors that a basic block keeps, its input
    for mine, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad, theirs.grad)


def test_what_is_evaluated_does_not_change() -> None:
    usual, ours = (network("resnet8", checkpoint_activations=on).eval() for on in (False, True))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(usual(images), ours(images))


@pytest.mark.parametrize("name", ["nin", "dsn"])
def test_a_baseline_says_that_it_cannot(name: str) -> None:
    with pytest.raises(ValueError, match="leave 'checkpoint_activations' out"):
        build(archs.resolve(name), 10, checkpoint_activations=True)
