"""Finds where an attempt goes on from: the newest checkpoint of the earlier ones that is whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from trainer.contract import checkpoints, lineage, manifest
from trainer.contract.attempts import Best, MetricPoint, Order
from trainer.contract.checkpoints import OPTIMIZER, STATE, TRAINED, WEIGHTS, Checkpoint
from trainer.contract.lineage import Place
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.spec import ResolvedSpec
from trainer.training.schedule import Progress
from trainer.training.snapshot import read_state, read_tensors
from trainer.training.stopping import Standstill


@dataclass(frozen=True)
class Resumed:
    """A state to go on from."""

    attempt: int
    step: int
    weights: dict[str, Tensor]
    """Parameters and buffers that training goes on with."""
    average: dict[str, Tensor] | None
    """Their moving average, where the recipe asks for one."""
    momentum: dict[str, Tensor]
    progress: Progress
    standstill: Standstill
    metrics: MetricPoint | None
    """On the validation images, of this very step."""
    best: Best | None
    """Up to this step."""


@dataclass(frozen=True)
class Found:
    """Where an attempt begins."""

    state: Resumed | None
    """None is a fresh start."""
    skipped: tuple[str, ...]
    """Newer checkpoints that were damaged or not saved to their end: which, and why."""

    @property
    def step(self) -> int:
        return self.state.step if self.state else 0

    @property
    def best(self) -> Best | None:
        return self.state.best if self.state else None

    @property
    def metrics(self) -> MetricPoint | None:
        return self.state.metrics if self.state else None


def newest(store: ObjectStore, order: Order, spec: ResolvedSpec) -> Found:
    """The newest state that led here and is whole. `spec` is the order's."""
    skipped: list[str] = []
    averaged = spec.recipe.ema_decay > 0
    job, numbers = order.job_id, order.resume_attempts
    candidates = lineage.lineage(store, job, numbers, last_step=spec.iterations)
    for i, place in enumerate(candidates):
        if not place.committed:
            skipped.append(f"{place}: it was not saved to its end, or has lost its manifest")
            continue
        try:
            found = checkpoints.read(store, place.prefix)
            state = _load(store, found, older=candidates[i:], averaged=averaged)
            return Found(state, tuple(skipped))
        except (Damaged, NoSuchObject) as error:
            skipped.append(f"{place}: {error}")
    return Found(None, tuple(skipped))


def _load(
    store: ObjectStore, found: Checkpoint, *, older: Sequence[Place], averaged: bool
) -> Resumed:
    meta = found.meta
    with TemporaryDirectory(prefix="residual-") as folder:
        files = manifest.fetch(store, found.prefix, found.manifest, Path(folder))
        trained = TRAINED if averaged else WEIGHTS
        missing = {WEIGHTS, trained, OPTIMIZER, STATE} - files.keys()
        if missing:
            raise Damaged(f"{found.prefix} has no {', '.join(sorted(missing))}")
        state = read_state(files[STATE])
        best = state.best
        if best is not None and not _is_among(best, older):
            best = _best_of(store, older)
        return Resumed(
            attempt=meta.attempt,
            step=meta.step,
            weights=read_tensors(files[trained]),
            average=read_tensors(files[WEIGHTS]) if averaged else None,
            momentum=read_tensors(files[OPTIMIZER]),
            progress=state.progress,
            standstill=state.standstill,
            metrics=meta.metrics,
            best=best,
        )


def _is_among(best: Best, places: Sequence[Place]) -> bool:
    at = (best.attempt, best.step)
    return any(place.committed and (place.attempt, place.step) == at for place in places)


def _best_of(store: ObjectStore, places: Sequence[Place]) -> Best | None:
    """The best that is left, when the best there was made way for a checkpoint now damaged."""
    found: list[Best] = []
    for place in places:
        try:
            meta = checkpoints.read(store, place.prefix).meta
        except (Damaged, NoSuchObject):
            continue
        if meta.metrics is not None:
            found.append(Best(attempt=meta.attempt, step=meta.step, metrics=meta.metrics))
    return min(found, key=lambda best: (best.metrics.top1_error, best.step), default=None)
