"""From a description to a network: what training, evaluation and serving call."""

from torch import nn

from trainer.contract.archs import Architecture, Network
from trainer.contract.baselines import Baseline
from trainer.contract.chains import chain
from trainer.models.chain import sequence
from trainer.models.dsn import DeeplySupervised
from trainer.models.resnet import ResNet, initialise


def build(
    network: Network,
    classes: int,
    *,
    zero_init: bool = False,
    checkpoint_activations: bool = False,
) -> nn.Module:
    """A network with fresh weights, on torch's default device. Call `torch.manual_seed` before.

    (B, 3, H, W) → logits (B, classes); networks with auxiliary classifiers return `Guided` in training
    mode. `zero_init` starts residual blocks as their shortcuts, and does nothing to networks without.
    Raises ValueError where activations cannot be computed again.
    """
    if isinstance(network, Architecture):
        resnet = ResNet(network, classes, checkpoint_activations=checkpoint_activations)
        initialise(resnet, zero_init=zero_init)
        return resnet
    if checkpoint_activations:
        raise ValueError(
            f"activations of {network.name} cannot be computed again; leave 'checkpoint_activations' out"
        )
    return _baseline(network, classes)


def _baseline(network: Baseline, classes: int) -> nn.Module:
    match network.name:
        case "vgg16" | "vgg19":
            from trainer.models import borrowed  # takes seconds

            return borrowed.vgg(network.depth, classes)
        case "googlenet":
            from trainer.models import borrowed  # takes seconds

            return borrowed.googlenet(classes)
        case "dsn":
            return DeeplySupervised(chain("dsn", classes), classes, network.input_size)
        case name:
            return sequence(chain(name, classes), network.input_size)
