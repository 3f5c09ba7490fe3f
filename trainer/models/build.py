"""From a description to a network: what training, evaluation and serving call."""

from torch import nn

from trainer.contract.archs import Architecture
from trainer.models.resnet import ResNet, initialise


def build(arch: Architecture, classes: int) -> nn.Module:
    """A network with fresh weights, on torch's default device. Call `torch.manual_seed` before."""
    network = ResNet(arch, classes)
    initialise(network)
    return network
