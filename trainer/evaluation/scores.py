"""What networks make of all views of some images, averaged. `trainer.training.protocol` counts with it, and a
replica (`deploy.classifier`) answers with it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainer.contract.evaluation import Protocol, view_sides
from trainer.contract.transform import Transform
from trainer.data.dataset import Images
from trainer.evaluation.version import Unfit
from trainer.evaluation.views import views


@dataclass(frozen=True)
class Candidate:
    """A network to be evaluated, and the validation images as its own transform prepares them."""

    network: nn.Module
    """In evaluation mode: (B, 3, s, s) → logits (B, classes)."""
    pixel_mean: Tensor
    """float32 (3, S, S), in 0 … 1, on the network's device."""
    transform: Transform
    images: Images


@torch.inference_mode()
def scores(
    ensemble: Sequence[Candidate], batch: slice, *, protocol: Protocol, precision: torch.autocast
) -> Tensor:
    """Log-probabilities of the images `batch`, float64 (B, classes): the probabilities are averaged
    over the views of a network, then over the networks.

    The paper applies the classifier at every place of a larger image's map and averages its scores.
    For networks that end in global average pooling and a linear layer, as all ResNets do, that is
    what their ordinary forward pass gives: mean and linear layer can change places.
    """
    return averaged(_of_one(each, batch, protocol, precision) for each in ensemble)


def check_takes(candidate: Candidate, protocol: Protocol) -> None:
    """Raises Unfit when the network cannot take the protocol's largest view."""
    side = max(view_sides(protocol, candidate.transform.input_size))
    network = candidate.network
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    # Shapes alone, on torch's meta device: no memory, no time, and what fails is a wrong shape.
    shapes = {name: tensor.to("meta") for name, tensor in tensors.items()}
    try:
        functional_call(network, shapes, torch.empty(1, 3, side, side, device="meta"))
    except RuntimeError as error:
        raise Unfit(
            f"the network takes images of {candidate.transform.input_size} pixels and no others, so "
            f"the protocol {protocol} cannot show it {side}; choose center or 10-crop"
        ) from error


def of_views(logits: Callable[[Tensor], Tensor], shown: Iterable[Tensor]) -> Tensor:
    """Log-probabilities of one network, float64 (B, classes): what `logits` makes of each of the views that
    are `shown`, averaged."""
    return averaged(log_probabilities(logits(view)) for view in shown)


def log_probabilities(logits: Tensor) -> Tensor:
    """(B, classes) → float64 (B, classes)"""
    return logits.double().log_softmax(dim=1)


def averaged(each: Iterable[Tensor]) -> Tensor:
    """Log of the mean probability. In logarithms, for a probability that rounds to zero would make
    the loss infinite."""
    rows = torch.stack(list(each))
    return rows.logsumexp(dim=0) - log(len(rows))


def _of_one(
    candidate: Candidate, batch: slice, protocol: Protocol, precision: torch.autocast
) -> Tensor:
    mean = candidate.pixel_mean
    pixels = candidate.images.pixels[batch].to(mean.device)

    def logits(view: Tensor) -> Tensor:
        with precision:
            found: Tensor = candidate.network(view)
        return found

    return of_views(logits, views(protocol, pixels, mean, candidate.transform))
