"""The loss of a step, against its formula written out."""

import pytest
import torch
from torch import Tensor

from trainer.data.batches import Inputs
from trainer.models.guided import Guided
from trainer.training.loss import score

CLASSES = 4


def guesses(seed: int) -> Tensor:
    return torch.randn(6, CLASSES, generator=torch.Generator().manual_seed(seed))


def given(share: float = 1.0, *, mixed: bool = False) -> Inputs:
    labels, partners = torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([1, 1, 3, 2, 0, 2])
    images = torch.zeros(6, 3, 2, 2)
    return Inputs(images=images, labels=labels, partners=partners if mixed else None, share=share)


def written_out(logits: Tensor, labels: Tensor, smoothing: float) -> float:
    """− Σ over images and classes of q(class) · log p(class); q has `smoothing` spread evenly."""
    total = 0.0
    for row, label in zip(logits.softmax(1).tolist(), labels.tolist(), strict=True):
        for k, p in enumerate(row):
            q = smoothing / CLASSES + (1 - smoothing) * (k == label)
            total -= q * float(torch.tensor(p).log())
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_is_what_it_says(smoothing: float, mixed: bool) -> None:
    share = 0.7 if mixed else 1.0
    asked = given(share, mixed=mixed)
    expected = share * written_out(guesses(0), asked.labels, smoothing)
    if asked.partners is not None:
        expected += (1 - share) * written_out(guesses(0), asked.partners, smoothing)
    scored = score(guesses(0), asked, smoothing=smoothing)
    assert scored.loss.item() == pytest.approx(expected, rel=1e-5)
    assert scored.objective is scored.loss


def test_auxiliary_outputs_are_minimised_with_their_weight_but_not_reported() -> None:
    output = Guided(guesses(0), (guesses(1), guesses(2)), 0.3)
    asked = given(0.6, mixed=True)
    main, *auxiliary = (score(guesses(k), asked, smoothing=0.1).loss for k in range(3))
    scored = score(output, asked, smoothing=0.1)
    assert torch.equal(scored.logits, output.logits)
    assert torch.equal(scored.loss, main)
    assert scored.objective.item() == pytest.approx((main + 0.3 * sum(auxiliary)).item())


@pytest.mark.parametrize(
    ("share", "expected"), [(0.7, "labels"), (0.5, "labels"), (0.3, "partners")]
)
def test_a_mixed_image_is_held_against_the_label_with_the_larger_share(
    share: float, expected: str
) -> None:
    asked = given(share, mixed=True)
    labels = score(guesses(0), asked, smoothing=0).labels
    assert torch.equal(labels, getattr(asked, expected))
