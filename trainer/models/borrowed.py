"""The baselines that torchvision has: VGG and GoogLeNet, with fresh weights and torchvision's names.

`build` imports this only when one of them is asked for: importing torchvision takes seconds.
"""

from torch import Tensor, nn
from torchvision import models
from torchvision.models import GoogLeNetOutputs

from trainer.models.guided import Guided

AUXILIARY_WEIGHT = 0.3
"""Of each auxiliary classifier's loss (Szegedy et al. 2014, section 5)."""


def vgg(depth: int, classes: int) -> nn.Module:
    """VGG of 16 or 19 layers, without batch normalisation. (B, 3, H, W) → logits (B, classes)"""
    made = {16: models.vgg16, 19: models.vgg19}[depth]
    network: nn.Module = made(weights=None, num_classes=classes, init_weights=True)
    return network


def googlenet(classes: int) -> nn.Module:
    """GoogLeNet as torchvision has it: with batch normalisation, and 3×3 in the place of 5×5.

    (B, 3, H, W) → Guided in training mode, else logits (B, classes)
    """
    network: nn.Module = models.googlenet(
        weights=None,
        num_classes=classes,
        aux_logits=True,
        transform_input=False,
        init_weights=True,
    )
    network.register_forward_hook(_guided)
    return network


def _guided(_: nn.Module, __: tuple[Tensor, ...], out: Tensor | GoogLeNetOutputs) -> object:
    """A hook and not a wrapper, so that tensors keep torchvision's names."""
    if isinstance(out, Tensor):
        return out
    return Guided(out.logits, (out.aux_logits1, out.aux_logits2), AUXILIARY_WEIGHT)
