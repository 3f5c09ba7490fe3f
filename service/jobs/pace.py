"""How long trainings take on this cluster, by what trainings of before were measured to do. Pure; used by the
plan of a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from service.lifecycle import Job
from trainer.contract import counting
from trainer.contract.spec import ResolvedSpec

BACKWARD = 3
"""Multiply-adds of a training step over those of the forward pass: the backward pass has twice as many."""


@dataclass(frozen=True)
class Measured:
    """The pace of one training, at its last steps."""

    arch: str
    on_gpu: bool
    rate: float
    """Multiply-adds a second and worker."""


@dataclass(frozen=True)
class Pace:
    """Of the trainings that were measured on this cluster."""

    measured: tuple[Measured, ...]

    def seconds(self, spec: ResolvedSpec) -> float | None:
        """That a training takes from its first step to its last; None where nothing like it was measured.
        By the same network if that was, else by all others."""
        alike = [each for each in self.measured if each.on_gpu == (spec.gpus_per_worker > 0)]
        same = [each for each in alike if each.arch == spec.arch]
        rates = [each.rate for each in same or alike]
        if not rates:
            return None
        return work(spec) * spec.iterations * spec.batch_size / (median(rates) * spec.workers)


UNKNOWN = Pace(())


def of(jobs: Sequence[Job]) -> Pace:
    """By the rates that trainings show as their progress."""
    found = []
    for job in jobs:
        spec, progress = job.placed, job.progress
        if isinstance(spec, ResolvedSpec) and progress and progress.images_per_second:
            rate = progress.images_per_second * work(spec) / spec.workers
            found.append(Measured(spec.arch, spec.gpus_per_worker > 0, rate))
    return Pace(tuple(found))


def work(spec: ResolvedSpec) -> int:
    """Multiply-adds of a training step for one image."""
    return BACKWARD * counting.multiply_adds(spec.network, spec.classes, spec.input_size)
