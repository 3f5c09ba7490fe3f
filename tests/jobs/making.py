"""Jobs and what attempts leave behind, as tests of jobs and of the reconciler need them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.jobs.inputs import Inputs
from service.lifecycle import Job, State
from trainer.contract import attempts, checkpoints, layout, manifest
from trainer.contract.attempts import Best, Halt, MetricPoint, Outcome, Split, Started
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import (
    EvaluatedModel,
    EvaluateSpec,
    Evaluation,
    Protocol,
    ResolvedEvaluation,
    view_sides,
)
from trainer.contract.journal import JournalWriter
from trainer.contract.objects.local import LocalStore
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import Code, Reason, reason
from trainer.contract.resolve import resolve, resolve_evaluation
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.transform import for_dataset

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_INPUTS = Inputs(LocalStore(Path("nowhere")), "")
"""Of a service whose store has no images to classify."""
WHY = reason(Code.WAITING_IN_LINE, "A test says so.")
"""For changes of state whose reason does not matter."""


@dataclass
class Clock:
    """A clock that a test turns."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def spec(**fields: Any) -> ResolvedSpec:
    asked = TrainSpec.model_validate(
        {"arch": "resnet20", "dataset": "digits", "workers": 1, "gpus_per_worker": 0} | fields
    )
    return resolve(asked, DATASETS[asked.dataset], gpus=0)


def job(number: int = 1, *, state: State = State.QUEUED, attempt: int = 0, **fields: Any) -> Job:
    """Job `number` of a project; `fields` are the spec's."""
    made = Job(
        id=f"job-{number:05d}",
        project="default",
        spec=evaluation(**fields) if fields.get("kind") == "evaluate" else spec(**fields),
        state=state,
        reason=None,
        attempt=attempt,
        retries=0,
        created_at=NOW,
        changed_at=NOW,
    )
    return replace(made, attempt=attempt or int(state is not State.QUEUED))


def evaluation(**fields: Any) -> ResolvedEvaluation:
    """Of version 1 of the model `digits`."""
    asked = EvaluateSpec.model_validate(
        {"kind": "evaluate", "model": "digits", "workers": 1, "gpus_per_worker": 0} | fields
    )
    prefix = layout.model_version("default", "digits", 1)
    model = EvaluatedModel(name="digits", version=1, prefix=prefix)
    return resolve_evaluation(asked, DATASETS["digits"], (model,), gpus=0)


def evaluated(protocol: Protocol = "center") -> Evaluation:
    """What an evaluation of version 1 of the model `digits` came to."""
    return Evaluation(
        protocol=protocol,
        dataset="digits",
        models=("digits:1",),
        top1_error=2.5,
        top5_error=0.0,
        loss=0.1,
        images=360,
        views=len(view_sides(protocol, 32)),
    )


def point(step: int, split: Split = "train", **fields: Any) -> MetricPoint:
    values = {"epoch": 1, "loss": 1 / step, "top1_error": 50.0, "top5_error": 5.0, "images": 128}
    return MetricPoint.model_validate(values | {"step": step, "split": split, "time": NOW} | fields)


def begin(
    store: ObjectStore,
    job_id: str,
    attempt: int,
    *,
    step: int = 0,
    of: int | None = None,
    skipped: tuple[str, ...] = (),
) -> None:
    """Write what an attempt writes when it begins: from `step` of attempt `of`."""
    started = Started(
        job_id=job_id,
        attempt=attempt,
        resumed_step=step,
        resumed_attempt=of,
        device="cpu",
        precision="fp32",
        channels_last=False,
        versions={},
        skipped=skipped,
        at=NOW,
    )
    store.put(layout.started(job_id, attempt), started.model_dump_json().encode())


def measure(store: ObjectStore, job_id: str, attempt: int, points: Iterable[MetricPoint]) -> None:
    writer = JournalWriter(store, layout.metrics(job_id, attempt))
    writer.append(found.model_dump(mode="json") for found in points)


def succeed(store: ObjectStore, job_id: str, attempt: int, step: int = 1) -> Outcome:
    """Commit success, unless another outcome stands; the one that stands."""
    final = point(step, "val")
    best = Best(attempt=attempt, step=step, metrics=final)
    return attempts.commit_outcome(
        store,
        Outcome(job_id=job_id, attempt=attempt, status="succeeded", final=final, best=best, at=NOW),
    )


def finish(store: ObjectStore, job_id: str, attempt: int) -> Outcome:
    """Commit the success of an evaluation, unless another outcome stands; the one that stands."""
    done = Outcome(
        job_id=job_id, attempt=attempt, status="succeeded", evaluation=evaluated(), at=NOW
    )
    return attempts.commit_outcome(store, done)


def fail(store: ObjectStore, job_id: str, attempt: int, why: Reason) -> Outcome:
    failed = Outcome(job_id=job_id, attempt=attempt, status="failed", reason=why, at=NOW)
    return attempts.commit_outcome(store, failed)


def heed(store: ObjectStore, wish: Halt) -> Outcome:
    """End as an attempt does that was asked to."""
    halted = Outcome(
        job_id=wish.job_id, attempt=wish.attempt, status="halted", reason=wish.reason, at=NOW
    )
    return attempts.commit_outcome(store, halted)


def checkpoint_meta(job_id: str, attempt: int, step: int) -> CheckpointMeta:
    """Of a ResNet-20 on digits."""
    info, wanted = DATASETS["digits"], spec()
    return CheckpointMeta(
        job_id=job_id,
        attempt=attempt,
        step=step,
        epoch=1,
        metrics=point(step, "val"),
        architecture=wanted.network,
        class_names=info.classes,
        transform=for_dataset(info),
        dataset=info.name,
        dataset_fingerprint="0" * 64,
        seed=0,
        versions={},
    )


def save_checkpoint(store: ObjectStore, job_id: str, attempt: int, step: int, folder: Path) -> str:
    """Commit a checkpoint with one small file; its prefix."""
    meta = checkpoint_meta(job_id, attempt, step)
    path = folder / f"{attempt}-{step}"
    path.write_bytes(b"weights of step %d" % step)
    prefix = layout.checkpoint(job_id, attempt, step)
    files = {checkpoints.WEIGHTS: path}
    manifest.commit(store, prefix, files, meta.model_dump(mode="json"), at=NOW)
    return prefix
