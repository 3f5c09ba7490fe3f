"""How far a job is, from the newest that its attempt wrote of it. Pure."""

from collections.abc import Sequence
from statistics import harmonic_mean

from service.lifecycle import Progress
from trainer.contract.attempts import Advance, MetricPoint
from trainer.contract.kinds import Resolved
from trainer.contract.spec import ResolvedSpec

RECENT = 20
"""Training points that the rate is the mean of: one slow step does not make it jump."""


def advanced(now: Advance | None) -> Progress | None:
    """Of a prediction."""
    if now is None:
        return None
    rate = now.images_per_second
    return Progress(
        epoch=1,
        epochs=1,
        step=now.images,
        steps=now.of,
        images_per_second=rate,
        eta_s=(now.of - now.images) / rate if rate else None,
    )


def progress(spec: Resolved, points: Sequence[MetricPoint]) -> Progress | None:
    """`points` of the present attempt in the order they were written; None while none is of training,
    and always of an evaluation: its log says how far it is."""
    if not isinstance(spec, ResolvedSpec):
        return None
    train = [point for point in points if point.split == "train"]
    if not train:
        return None
    rates = [point.images_per_second for point in train[-RECENT:] if point.images_per_second]
    rate = harmonic_mean(rates) if rates else None
    step = train[-1].step
    left = (spec.iterations - step) * spec.batch_size
    return Progress(
        epoch=train[-1].epoch,
        epochs=spec.epochs,
        step=step,
        steps=spec.iterations,
        images_per_second=rate,
        eta_s=left / rate if rate else None,
    )
