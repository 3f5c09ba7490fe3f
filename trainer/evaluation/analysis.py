"""What goes on inside a network, layer by layer: its responses (Fig. 7 of the paper) and gradients."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.contract.analysis import Layer
from trainer.data.batches import normalise, val_batches
from trainer.data.dataset import Images
from trainer.evaluation.scores import Candidate

FIRST = 1000
"""Images at most that a network is analysed on: the first of the validation images."""
AT_ONCE = 25
"""Images a pass: all their activations are kept for the gradients."""

WEIGHTED = (nn.Conv2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Weighted(NamedTuple):
    """A convolution or fully connected layer, and where its response comes out."""

    name: str
    layer: nn.Module
    response: nn.Module
    """The batch normalisation that follows the layer, or the layer itself."""


def analyse(candidate: Candidate, *, first: int = FIRST) -> tuple[Layer, ...]:
    """Every weighted layer that an evaluation runs, projections too, in forward order; in fp32.

    A standard deviation is over all responses of a layer together, before ReLU and addition. A
    gradient is of the mean loss over the same images. Batch normalisation uses its running
    statistics, so images do not touch one another and the batches' gradients add up to it exactly.
    """
    network = deepcopy(candidate.network).eval().requires_grad_()  # hooks and gradients end with it
    mean = candidate.pixel_mean
    images = Images(candidate.images.pixels[:first], candidate.images.labels[:first])
    layers = forward_order(network, mean[None])
    weights = [each.layer.get_parameter("weight") for each in layers]
    moments = torch.zeros(len(layers), 3, dtype=torch.float64, device=mean.device)
    gradients = [torch.zeros_like(weight, dtype=torch.float64) for weight in weights]
    for each, row in zip(layers, moments, strict=True):
        each.response.register_forward_hook(_adding_to(row))
    for pixels, labels in val_batches(images, batch_size=AT_ONCE, rank=0, world=1):
        logits = network(normalise(pixels.to(mean.device), mean, candidate.transform))
        loss = functional.cross_entropy(logits, labels.to(mean.device), reduction="sum")
        parts = torch.autograd.grad(loss / len(images), weights)
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.add_(part)
    return tuple(
        Layer(
            name=each.name,
            index=index,
            kernel=_kernel(each.layer),
            response_std=std,
            gradient_norm=float(gradient.norm()),
        )
        for index, (each, std, gradient) in enumerate(
            zip(layers, _std(moments), gradients, strict=True), start=1
        )
    )


def forward_order(network: nn.Module, image: Tensor) -> list[Weighted]:
    """The weighted layers as one pass of `image` (1, 3, S, S) meets them."""
    names = {module: name for name, module in network.named_modules()}
    met: list[Weighted] = []
    last: Tensor | None = None

    def meet(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal last
        if isinstance(module, WEIGHTED):
            # A convolution with its batch normalisation goes by the name of the two.
            met.append(Weighted(names[module].removesuffix(".conv"), module, response=module))
            last = output
        elif given[0] is last:
            met[-1] = met[-1]._replace(response=module)

    hooks = [
        module.register_forward_hook(meet)
        for module in network.modules()
        if isinstance(module, WEIGHTED + NORMS)
    ]
    with torch.no_grad():
        network(image)
    for hook in hooks:
        hook.remove()
    return met


def _kernel(layer: nn.Module) -> int | None:
    return layer.kernel_size[0] if isinstance(layer, nn.Conv2d) else None


def _adding_to(row: Tensor) -> Callable[[nn.Module, Any, Tensor], None]:
    """A hook that adds a module's output to `row`: how many values, their sum, that of their squares."""

    def add(_module: nn.Module, _given: Any, output: Tensor) -> None:
        values = output.detach().double()
        row.add_(
            torch.stack(
                [torch.full_like(row[0], values.numel()), values.sum(), values.square().sum()]
            )
        )

    return add


def _std(moments: Tensor) -> list[float]:
    """(layers, 3) of `_adding_to` → each layer's standard deviation."""
    count, total, squares = moments.unbind(dim=1)
    variance = squares / count - (total / count).square()
    deviations: list[float] = variance.clamp(min=0).sqrt().tolist()
    return deviations
