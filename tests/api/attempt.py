"""What an attempt leaves in the object store, written as training writes it."""

from datetime import UTC, datetime
from pathlib import Path

from service.lifecycle import Job
from trainer.contract import attempts, layout, manifest
from trainer.contract.attempts import Best, Halt, LogLine, MetricPoint, Outcome, Split, Started
from trainer.contract.checkpoints import MODEL_FILES, CheckpointMeta
from trainer.contract.datasets import DATASETS
from trainer.contract.journal import JournalWriter
from trainer.contract.objects.store import ObjectStore
from trainer.contract.spec import ResolvedSpec
from trainer.contract.transform import for_dataset

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def point(step: int, split: Split = "train", *, loss: float = 1.5) -> MetricPoint:
    return MetricPoint(
        step=step,
        epoch=1,
        split=split,
        loss=loss,
        top1_error=50.0,
        top5_error=10.0,
        lr=0.1 if split == "train" else None,
        images=128,
        time=AT,
    )


def begin(store: ObjectStore, job: Job, attempt: int, *, resumed_step: int = 0) -> None:
    started = Started(
        job_id=job.id,
        attempt=attempt,
        resumed_step=resumed_step,
        resumed_attempt=attempt - 1 if resumed_step else None,
        device="cpu",
        precision="fp32",
        channels_last=False,
        versions={"torch": "2"},
        at=AT,
    )
    store.put(layout.started(job.id, attempt), started.model_dump_json().encode())


def metrics(store: ObjectStore, job: Job, attempt: int) -> JournalWriter:
    return JournalWriter(store, layout.metrics(job.id, attempt))


def write(journal: JournalWriter, *points: MetricPoint) -> None:
    journal.append(one.model_dump(mode="json") for one in points)


def log(store: ObjectStore, job: Job, attempt: int, rank: str, *lines: tuple[str, str]) -> None:
    """Lines are (level, message)."""
    journal = JournalWriter(store, layout.logs(job.id, attempt, rank))
    journal.append(
        LogLine.model_validate(
            {"time": AT, "level": level, "rank": rank, "message": message}
        ).model_dump(mode="json")
        for level, message in lines
    )


def checkpoint(store: ObjectStore, job: Job, attempt: int, step: int, folder: Path) -> None:
    """Its files are not weights: nothing here looks into them."""
    spec = job.spec
    assert isinstance(spec, ResolvedSpec)
    info = DATASETS[spec.dataset]
    files = {}
    for name in MODEL_FILES:
        files[name] = folder / f"{step}-{name}"
        files[name].write_bytes(f"{name} of step {step}".encode())
    meta = CheckpointMeta(
        job_id=job.id,
        attempt=attempt,
        step=step,
        epoch=1,
        metrics=point(step, "val"),
        architecture=spec.network,
        class_names=info.classes,
        transform=for_dataset(info),
        dataset=info.name,
        dataset_fingerprint="0" * 64,
        seed=0,
        versions={"torch": "2"},
    )
    prefix = layout.checkpoint(job.id, attempt, step)
    manifest.commit(store, prefix, files, meta.model_dump(mode="json"), at=AT)


def halt(store: ObjectStore, job: Job, attempt: int) -> None:
    """End as it was asked to."""
    asked = attempts.read(store, layout.halt(job.id, attempt), Halt)
    assert asked is not None
    outcome = Outcome(job_id=job.id, attempt=attempt, status="halted", reason=asked.reason, at=AT)
    attempts.commit_outcome(store, outcome)


def succeed(store: ObjectStore, job: Job, attempt: int, *, step: int) -> None:
    val = point(step, "val")
    outcome = Outcome(
        job_id=job.id,
        attempt=attempt,
        status="succeeded",
        final=val,
        best=Best(attempt=attempt, step=step, metrics=val),
        at=AT,
    )
    attempts.commit_outcome(store, outcome)
