"""What a training step minimises: cross-entropy with smoothed and mixed labels and auxiliary outputs."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from trainer.data.batches import Inputs
from trainer.models.guided import Guided


class Scored(NamedTuple):
    """A share of a training step after its forward pass. Sums are over its images."""

    logits: Tensor
    """(b, classes), of the network's last output."""
    labels: Tensor
    """(b,) int64: what a guess is held against. Of mixed images the label with the larger share."""
    loss: Tensor
    """Summed cross-entropy of the last output, in nats."""
    objective: Tensor
    """What is minimised: the same, and the auxiliary outputs' with their weight."""


def score(output: Tensor | Guided, given: Inputs, *, smoothing: float) -> Scored:
    """The losses of a network's `output` in training mode for the images it was `given`."""
    guided = output if isinstance(output, Guided) else Guided(output, (), weight=0.0)
    logits, auxiliary, weight = guided
    loss = objective = mixed_cross_entropy(logits, given, smoothing)
    for guess in auxiliary:
        objective = objective + weight * mixed_cross_entropy(guess, given, smoothing)
    labels = given.labels
    if given.partners is not None and given.share < 0.5:
        labels = given.partners
    return Scored(logits, labels, loss, objective)


def mixed_cross_entropy(logits: Tensor, given: Inputs, smoothing: float) -> Tensor:
    """Summed over the images: share · CE(logits, labels) + (1 − share) · CE(logits, partners)."""
    loss = smooth_cross_entropy(logits, given.labels, smoothing)
    if given.partners is None:
        return loss
    other = smooth_cross_entropy(logits, given.partners, smoothing)
    return given.share * loss + (1 - given.share) * other


def smooth_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    return functional.cross_entropy(
        logits.float(), labels, reduction="sum", label_smoothing=smoothing
    )
