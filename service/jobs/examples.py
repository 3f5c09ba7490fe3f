"""A job and what it left behind, as examples for the API's document."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.cluster.cluster import Capacity, Node
from service.jobs import plan, prediction_examples
from service.jobs.plan import Plan
from service.jobs.resolving import Decided
from service.jobs.rows import Event
from service.lifecycle import Job, Progress, Result, State
from trainer.contract import checkpoints, layout
from trainer.contract.analysis import Analysis, Layer
from trainer.contract.attempts import MetricPoint
from trainer.contract.checkpoints import MODEL_FILES, Checkpoint, CheckpointMeta
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluatedModel, EvaluateSpec, Evaluation
from trainer.contract.manifest import FileEntry, Manifest
from trainer.contract.reasons import Code, reason
from trainer.contract.resolve import resolve, resolve_evaluation
from trainer.contract.spec import ResolvedSpec, TrainSpec
from trainer.contract.transform import for_dataset

BODIES: dict[str, Any] = {
    "least": {
        "summary": "The least a job needs",
        "value": {"arch": "resnet20", "dataset": "fashion-mnist-mini"},
    },
    "any depth": {
        "summary": "Any 6n+2 layers, without shortcuts, by the paper's recipe",
        "value": {"arch": "plain", "depth": 26, "dataset": "cifar10", "recipe": "paper-cifar"},
    },
    "all of it": {
        "summary": "Named, labelled, registered when it succeeds",
        "value": {
            "arch": "resnet20",
            "shortcut": "A",
            "dataset": "fashion-mnist-mini",
            "epochs": 15,
            "batch_size": 128,
            "workers": 2,
            "recipe": {"name": "default", "learning_rate": 0.1, "milestones": [0.5, 0.75]},
            "seed": 1,
            "checkpoint_every": {"epochs": 1},
            "priority": 10,
            "name": "a first look",
            "labels": {"team": "vision"},
            "register_as": "fashion",
        },
    },
    "elastic": {
        "summary": "With as many workers as fit, for a day at most; a step has 128 images with any number",
        "value": {
            "arch": "resnet20",
            "dataset": "fashion-mnist-mini",
            "batch_size": 128,
            "workers": {"min": 1, "max": 4},
            "max_runtime": 86_400,
        },
    },
    "fine-tuned": {
        "summary": "Beginning with the weights of a registered model, until it gets no better",
        "value": {
            "arch": "resnet20",
            "dataset": "fashion-mnist-mini",
            "start_from": {"model": "fashion"},
            "early_stopping": {"patience": 5, "min_change": 0.1},
            "keep_checkpoints": {"best": 3, "last": 2},
        },
    },
    "a sweep": {
        "summary": "Plain and residual networks of two depths, each with two seeds",
        "value": {
            "kind": "sweep",
            "dataset": "fashion-mnist-mini",
            "epochs": 10,
            "space": {"arch": ["plain", "resnet"], "depth": [20, 32]},
            "search": {"seeds": 2, "at_once": 2},
        },
    },
    "a table of the paper": {
        "summary": "The networks of Table 6 on other data, in a hundredth of the paper's length",
        "value": {
            "kind": "sweep",
            "preset": "paper-table-6",
            "dataset": "fashion-mnist-mini",
            "scale": 0.01,
        },
    },
    "an evaluation": {
        "summary": "Evaluate a registered model by 10-crop, and look into its layers",
        "value": {"kind": "evaluate", "model": "fashion", "protocol": "10-crop", "analyse": True},
    },
    "a batch prediction": {
        "summary": "Classify all validation images of a data set by a registered model, as Parquet",
        "value": prediction_examples.BODY,
    },
    "an ensemble": {
        "summary": "Evaluate registered models together, their probabilities averaged",
        "value": {
            "kind": "evaluate",
            "ensemble": [{"model": "fashion", "version": 1}, {"model": "fashion", "version": 2}],
            "dataset": "fashion-mnist-mini",
            "protocol": "multi-scale",
        },
    },
}
"""Bodies of POST /jobs."""

JOB_ID = "job-1k0y64et6dng0az10y5"
EVALUATION_ID = "job-1k0y65p0q2mna1bz20z"
AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
POINT = MetricPoint(
    step=39,
    epoch=1,
    split="val",
    loss=1.12,
    top1_error=38.4,
    top5_error=4.1,
    images=1000,
    time=AT,
)
END = {"state": "succeeded"}
CSV = f"{','.join(MetricPoint.model_fields)}\n39,1,val,1.12,38.4,4.1,,,1000,2026-01-31T12:00:00Z\n"
EVENT_STREAM = (
    f"data: {POINT.model_dump_json()}\nid: 39.val\n\nevent: end\ndata: {json.dumps(END)}\n\n"
)
ANALYSIS = Analysis(
    model="fashion:1",
    arch="resnet20",
    dataset="fashion-mnist-mini",
    images=1000,
    layers=(Layer(name="stem.0", index=1, kernel=3, response_std=1.04, gradient_norm=0.021),),
)
LOG = "2026-01-31T12:00:00.000000Z info    [0] epoch 1 of 30, step 39: train loss 1.512\n"


def spec() -> ResolvedSpec:
    asked = TrainSpec.model_validate(BODIES["least"]["value"])
    return resolve(asked, DATASETS[asked.dataset], gpus=0)


def job() -> Job:
    asked = spec()
    return Job(
        id=JOB_ID,
        project="default",
        spec=asked,
        state=State.RUNNING,
        reason=reason(Code.RUNNING, "Attempt 1 began with 2 workers."),
        attempt=1,
        workers=asked.workers,
        retries=0,
        created_at=AT,
        changed_at=AT,
        started_at=AT + timedelta(seconds=9),
        progress=Progress(
            epoch=2,
            epochs=asked.epochs,
            step=60,
            steps=asked.iterations,
            images_per_second=2900.0,
            eta_s=49.0,
        ),
    )


def evaluation_job() -> Job:
    """The body `an evaluation` as a job, when it has succeeded."""
    asked = EvaluateSpec.model_validate(BODIES["an evaluation"]["value"])
    info = DATASETS["fashion-mnist-mini"]
    model = EvaluatedModel(
        name="fashion", version=1, prefix=layout.model_version("default", "fashion", 1)
    )
    came_to = Evaluation(
        protocol=asked.protocol,
        dataset=info.name,
        models=("fashion:1",),
        top1_error=9.8,
        top5_error=0.1,
        loss=0.29,
        images=info.val_images,
        views=10,
    )
    return Job(
        id=EVALUATION_ID,
        project="default",
        spec=resolve_evaluation(asked, info, (model,), gpus=0),
        state=State.SUCCEEDED,
        reason=reason(Code.COMPLETED, "It did all that was asked."),
        attempt=1,
        workers=2,
        retries=0,
        created_at=AT,
        changed_at=AT + timedelta(seconds=40),
        started_at=AT + timedelta(seconds=9),
        ended_at=AT + timedelta(seconds=40),
        result=Result(evaluation=came_to),
    )


def planned() -> Plan:
    asked = TrainSpec.model_validate(BODIES["least"]["value"])
    has = Capacity((Node("node-1", "127.0.0.1", 2, 0, 2, 0),))
    return plan.make(Decided(asked, spec()), has)


def events() -> list[Event]:
    waits = reason(Code.WAITING_IN_LINE, "It starts when its turn comes.")
    made = Event(at=AT, from_state=None, to_state=State.QUEUED, reason=waits, attempt=0)
    why = reason(Code.STARTING, "Attempt 1 starts with 2 workers.")
    began = replace(made, from_state=State.QUEUED, to_state=State.STARTING, reason=why, attempt=1)
    return [made, began]


def checkpoint() -> Checkpoint:
    asked, info = spec(), DATASETS[spec().dataset]
    meta = CheckpointMeta(
        job_id=JOB_ID,
        attempt=1,
        step=39,
        epoch=1,
        metrics=POINT,
        architecture=asked.network,
        class_names=info.classes,
        transform=for_dataset(info),
        dataset=info.name,
        dataset_fingerprint="0" * 64,
        seed=0,
        versions={},
    )
    files = tuple(FileEntry(name=name, size=1_101_208, sha256="0" * 64) for name in MODEL_FILES)
    found = Manifest(files=files, meta=meta.model_dump(mode="json"), created_at=AT)
    return checkpoints.Checkpoint(
        prefix=layout.checkpoint(JOB_ID, 1, 39), manifest=found, meta=meta
    )
