"""A version's weights under torchvision's names, and the network of torchvision's that takes them."""

from torch import Tensor, nn

from trainer.contract.archs import Architecture, Network
from trainer.contract.family import Family
from trainer.weights import names


class NotTorchvisions(ValueError):
    """torchvision has no network of this shape."""


def torchvision_state(network: Network, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Raises NotTorchvisions."""
    _name(network)
    if not isinstance(network, Architecture):
        return state  # ours are torchvision's own
    return {names.torchvisions(name): tensor for name, tensor in state.items()}


def torchvision_network(network: Network, classes: int) -> nn.Module:
    """torchvision's own, with weights that do not matter. Raises NotTorchvisions."""
    name = _name(network)
    from torchvision import models  # takes seconds

    more = {}
    if not isinstance(network, Architecture):
        more = {"init_weights": False}
    if name == "googlenet":
        more |= {"aux_logits": True, "transform_input": False}
    made: nn.Module = models.get_model(name, weights=None, num_classes=classes, **more)
    return made


def _name(network: Network) -> str:
    if not isinstance(network, Architecture):
        if network.name in ("vgg16", "vgg19", "googlenet"):
            return network.name
    elif (
        network.family is Family.IMAGENET
        and network.stem == "paper"
        and network.shortcut == "B"
        and (network.stride == "v1.5" or not network.bottleneck)
    ):
        return network.name
    raise NotTorchvisions(
        f"torchvision has no network like this {network.name}: its ResNets are of the ImageNet family, "
        "with projections (B), the paper's stem and stride v1.5; leave --names out"
    )
