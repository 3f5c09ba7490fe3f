"""Finds where an attempt goes on from: the newest checkpoint of the earlier ones that is whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from trainer.contract import attempts, checkpoints, layout, manifest
from trainer.contract.attempts import Best, MetricPoint, Order, Started
from trainer.contract.checkpoints import OPTIMIZER, STATE, TRAINED, WEIGHTS, Checkpoint
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.contract.spec import ResolvedSpec
from trainer.training.schedule import Progress
from trainer.training.snapshot import read_state, read_tensors


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
    """Newer checkpoints that were damaged, and why."""

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
    candidates = list(_lineage(store, order, last_step=spec.iterations))
    for i, prefix in enumerate(candidates):
        try:
            found = checkpoints.read(store, prefix)
            state = _load(store, order.job_id, found, older=candidates[i:], averaged=averaged)
            return Found(state, tuple(skipped))
        except (Damaged, NoSuchObject) as error:
            skipped.append(str(error))
    return Found(None, tuple(skipped))


def _lineage(store: ObjectStore, order: Order, last_step: int) -> Iterator[str]:
    """Prefixes of checkpoints that led to here, newest first.

    Where an attempt went on from an older checkpoint than its predecessor's newest, what the
    predecessor did after that belongs to a branch that was given up.
    """
    for number in reversed(order.resume_attempts):
        found = list(checkpoints.of_attempt(store, order.job_id, number))
        yield from (prefix for prefix in reversed(found) if _step(prefix) <= last_step)
        started = attempts.read(store, layout.started(order.job_id, number), Started)
        if started is not None:
            last_step = min(last_step, started.resumed_step)


def _load(
    store: ObjectStore, job_id: str, found: Checkpoint, *, older: list[str], averaged: bool
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
        if best is not None and layout.checkpoint(job_id, best.attempt, best.step) not in older:
            best = _best_of(store, older)
        return Resumed(
            attempt=meta.attempt,
            step=meta.step,
            weights=read_tensors(files[trained]),
            average=read_tensors(files[WEIGHTS]) if averaged else None,
            momentum=read_tensors(files[OPTIMIZER]),
            progress=state.progress,
            metrics=meta.metrics,
            best=best,
        )


def _best_of(store: ObjectStore, prefixes: list[str]) -> Best | None:
    """The best that is left, when the best there was made way for a checkpoint now damaged."""
    found: list[Best] = []
    for prefix in prefixes:
        try:
            meta = checkpoints.read(store, prefix).meta
        except (Damaged, NoSuchObject):
            continue
        if meta.metrics is not None:
            found.append(Best(attempt=meta.attempt, step=meta.step, metrics=meta.metrics))
    return min(found, key=lambda best: (best.metrics.top1_error, best.step), default=None)


def _step(prefix: str) -> int:
    return int(prefix.rpartition("/")[2])
