"""From a tally to the point that readers see."""

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from trainer.contract.attempts import MetricPoint, Split
from trainer.training.endings import Diverged


def epoch_of(step: int, steps_per_epoch: int) -> int:
    """The pass over the training images, from 1, that optimizer step `step`, from 1, belongs to."""
    return (step - 1) // steps_per_epoch + 1


def point(  # noqa: PLR0913 - all by name
    tally: Sequence[float],
    *,
    split: Split,
    step: int,
    steps_per_epoch: int,
    rate: float | None,
    images_per_second: float | None,
    at: datetime,
) -> MetricPoint:
    """The mean of a tally (summed loss, wrong first, wrong within five, images). Raises Diverged."""
    loss, first, five, images = tally
    if not isfinite(loss):
        raise Diverged(step)
    return MetricPoint(
        step=step,
        epoch=epoch_of(step, steps_per_epoch),
        split=split,
        loss=loss / images,
        top1_error=100 * first / images,
        top5_error=100 * five / images,
        lr=rate,
        images_per_second=images_per_second,
        images=int(images),
        time=at,
    )
