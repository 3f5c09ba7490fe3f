"""Keeps checkpoints of an attempt: copied in the loop, written and committed in the background.

Only the first worker has one. What a checkpoint holds is in `trainer.contract.checkpoints`.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import torch
from torch import Tensor

from trainer.contract import attempts, crashes, layout, manifest
from trainer.contract.attempts import Best, MetricPoint, Outcome
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.crashes import Point
from trainer.contract.lineage import drop, kept
from trainer.contract.objects.store import AlreadyExists, ObjectStore, Piece, StoreUnavailable
from trainer.contract.spec import KeepCheckpoints
from trainer.training.copying import compute_alone
from trainer.training.endings import Diverged, Fenced
from trainer.training.patience import patiently
from trainer.training.points import epoch_of
from trainer.training.pulse import Pulse
from trainer.training.snapshot import Proof, Snapshot, files

log = logging.getLogger(__name__)

LATE_S = 5.0
"""A checkpoint that takes longer than this, usually because its store is away, holds up no training."""


@dataclass
class Checkpointer:
    """One checkpoint is on its way at most; asking for the next waits for it, unless it can be left out."""

    store: ObjectStore
    job_id: str
    template: CheckpointMeta
    """What all checkpoints of the attempt have in common."""
    steps_per_epoch: int
    snapshot: Snapshot
    proof: Proof
    keep: KeepCheckpoints
    """Of this attempt's. What of the earlier ones' is too much now, the service drops in the end."""
    best: Best | None
    """Of the earlier attempts at first."""
    settle_metrics: Callable[[], None]
    """Returns when the points up to now can be read: a checkpoint never outruns its metrics."""
    clock: Callable[[], datetime]
    timer: Callable[[], float] = time.monotonic
    pulse: Pulse = field(default_factory=Pulse)
    """Is told how long the loop was held up, and when a checkpoint was stored."""
    _errors: dict[int, float | None] = field(default_factory=dict)
    """Of the checkpoints that are there: step → validation top-1 error, if it was measured."""
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "checkpoint", initializer=compute_alone)
    )
    _flight: Future[None] | None = None
    _began_at: float = 0.0
    """When the checkpoint on its way began, by `timer`."""

    def save(self, step: int, metrics: MetricPoint | None, *, needed: bool = True) -> None:
        """Start keeping the state after `step`; `metrics` are its own validation point, if any. One that is
        not `needed` is left out while the one before it is late: training goes on."""
        if not needed and self._is_late():
            log.warning("no checkpoint of step %d: the one before it is not stored yet", step)
            return
        with self.pulse.stalled():
            self.land()
            self.snapshot.take()
        self._began_at = self.timer()
        self._flight = self._thread.submit(self._keep, step, metrics)

    def check(self) -> None:
        """Raise what went wrong with the last checkpoint, if that is known already."""
        if self._flight is not None and self._flight.done():
            self._flight.result()

    def land(self) -> None:
        """Return when the last checkpoint is committed. Raises what went wrong with it."""
        if self._flight is not None:
            self._flight.result()

    def close(self) -> None:
        """Take no more checkpoints; the one on its way may still be committed."""
        self._thread.shutdown(wait=False)

    def _keep(self, step: int, metrics: MetricPoint | None) -> None:
        self.snapshot.settle()
        self.settle_metrics()
        # Weights can be lost in the very update that the checkpoint is of, before any loss shows it.
        if not all(_finite(weight) for weight in self.snapshot.weights.values()):
            raise Diverged(step)
        meta = self.template.model_copy(
            update={
                "step": step,
                "epoch": epoch_of(step, self.steps_per_epoch),
                "metrics": metrics,
            }
        )
        best = _better(self.best, metrics, meta.attempt)
        content = files(self.snapshot, self.proof, best)
        failed: list[StoreUnavailable] = []
        patiently(lambda: self._commit(meta, content, self.clock()), failed=failed.append)
        if failed:
            log.warning(
                "the checkpoint of step %d was stored after %d failed tries; the last: %s",
                *(step, len(failed), failed[-1]),
            )
        crashes.point(Point.AFTER_MANIFEST)
        self.pulse.stored_at = self.clock()
        self.best = best
        self._errors[step] = metrics.top1_error if metrics else None
        self._drop_old()

    def _is_late(self) -> bool:
        on_its_way = self._flight is not None and not self._flight.done()
        return on_its_way and self.timer() - self._began_at > LATE_S

    def _commit(
        self, meta: CheckpointMeta, content: Mapping[str, Iterable[Piece]], at: datetime
    ) -> None:
        self._check_open()
        prefix = layout.checkpoint(self.job_id, meta.attempt, meta.step)
        facts = meta.model_dump(mode="json")
        try:
            manifest.commit(self.store, prefix, content, facts, at=at)
        except AlreadyExists:
            # Nobody else writes here: an earlier try wrote it, and the store's answer was lost.
            if manifest.read(self.store, prefix).meta != facts:
                raise

    def _check_open(self) -> None:
        """Raise Fenced if the attempt was closed: another may have taken its place."""
        job, attempt = self.job_id, self.template.attempt
        outcome = attempts.read(self.store, layout.outcome(job, attempt), Outcome)
        if outcome is not None:
            raise Fenced(f"attempt {attempt} of {job} was closed as {outcome.status}")

    def _drop_old(self) -> None:
        """Delete what is neither among the best nor among the newest."""
        # A successor may go on from what this one would drop. It begins only after the closing.
        patiently(self._check_open)
        attempt = self.template.attempt
        stay = kept(self._errors, self.keep)
        if self.best is not None and self.best.attempt == attempt:
            stay.add(self.best.step)
        for step in [step for step in self._errors if step not in stay]:
            try:
                drop(self.store, layout.checkpoint(self.job_id, attempt, step))
            except StoreUnavailable as error:
                log.warning("the checkpoint of step %d is not deleted yet: %s", step, error)
                return
            del self._errors[step]


def _finite(weight: Tensor) -> bool:
    """Whether all of it is. A sum is finite only of what is, and is found in a tenth of the time; that of
    large numbers may overflow, so it does not prove the contrary."""
    return bool(torch.isfinite(weight.sum()) or torch.isfinite(weight).all())


def _better(best: Best | None, metrics: MetricPoint | None, attempt: int) -> Best | None:
    """The best checkpoint with this one; of equals the earlier."""
    if metrics is None or (best is not None and best.metrics.top1_error <= metrics.top1_error):
        return best
    return Best(attempt=attempt, step=metrics.step, metrics=metrics)
