"""Finds where an attempt goes on from: the newest checkpoint of the earlier ones that is whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from trainer.contract import attempts, checkpoints, layout, manifest
from trainer.contract.attempts import Best, MetricPoint, Order, Started
from trainer.contract.checkpoints import OPTIMIZER, STATE, WEIGHTS, Checkpoint
from trainer.contract.manifest import Damaged
from trainer.contract.objects.store import NoSuchObject, ObjectStore
from trainer.training.snapshot import read_best, read_tensors


@dataclass(frozen=True)
class Resumed:
    """A state to go on from."""

    attempt: int
    step: int
    weights: dict[str, Tensor]
    momentum: dict[str, Tensor]
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


def newest(store: ObjectStore, order: Order) -> Found:
    """The newest state that led here and is whole."""
    skipped: list[str] = []
    candidates = list(_lineage(store, order))
    for i, prefix in enumerate(candidates):
        try:
            found = checkpoints.read(store, prefix)
            return Found(_load(store, found, older=candidates[i:]), tuple(skipped))
        except (Damaged, NoSuchObject) as error:
            skipped.append(str(error))
    return Found(None, tuple(skipped))


def _lineage(store: ObjectStore, order: Order) -> Iterator[str]:
    """Prefixes of checkpoints that led to here, newest first.

    Where an attempt went on from an older checkpoint than its predecessor's newest, what the
    predecessor did after that belongs to a branch that was given up.
    """
    last_step = order.spec.iterations
    for number in reversed(order.resume_attempts):
        found = list(checkpoints.of_attempt(store, order.job_id, number))
        yield from (prefix for prefix in reversed(found) if _step(prefix) <= last_step)
        started = attempts.read(store, layout.started(order.job_id, number), Started)
        if started is not None:
            last_step = min(last_step, started.resumed_step)


def _load(store: ObjectStore, found: Checkpoint, older: list[str]) -> Resumed:
    meta = found.meta
    with TemporaryDirectory(prefix="residual-") as folder:
        files = manifest.fetch(store, found.prefix, found.manifest, Path(folder))
        missing = {WEIGHTS, OPTIMIZER, STATE} - files.keys()
        if missing:
            raise Damaged(f"{found.prefix} has no {', '.join(sorted(missing))}")
        best = read_best(files[STATE])
        if (
            best is not None
            and layout.checkpoint(meta.job_id, best.attempt, best.step) not in older
        ):
            best = _best_of(store, older)
        return Resumed(
            attempt=meta.attempt,
            step=meta.step,
            weights=read_tensors(files[WEIGHTS]),
            momentum=read_tensors(files[OPTIMIZER]),
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
