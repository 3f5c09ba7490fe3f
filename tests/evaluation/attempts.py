"""Evaluation attempts of small registered models on handwritten digits."""

from datetime import UTC, datetime
from typing import Any

from tests.evaluation.candidates import CPU
from tests.serving.versions import write_checkpoint
from trainer.contract.attempts import Order
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluatedModel, EvaluateSpec, ResolvedEvaluation
from trainer.contract.objects.store import ObjectStore
from trainer.contract.resolve import resolve_evaluation
from trainer.training import evaluation
from trainer.training.endings import Ended
from trainer.training.group import Group
from trainer.training.setup import Setting
from trainer.training.vigil import Vigil

JOB = "job-e"


def registered(store: ObjectStore, seed: int) -> EvaluatedModel:
    """A resnet8 with weights of `seed`, where a model version would lie."""
    written = write_checkpoint(store, f"job-{seed}", seed=seed)
    return EvaluatedModel(name=f"model-{seed}", version=3, prefix=written.prefix)


def order(*models: EvaluatedModel, attempt: int = 1, **fields: Any) -> Order:
    asked: dict[str, Any] = {
        "kind": "evaluate",
        "dataset": "digits",
        "workers": 1,
        "batch_size": 50,
    }
    asked["ensemble"] = [{"model": model.name} for model in models]
    spec = EvaluateSpec.model_validate(asked | fields)
    return Order(
        job_id=JOB,
        attempt=attempt,
        spec=resolve_evaluation(spec, DATASETS["digits"], models, gpus=0),
        resume_attempts=tuple(range(1, attempt)),
    )


def now() -> datetime:
    return datetime.now(UTC)


def setting(store: ObjectStore, group: Group | None = None) -> Setting:
    return Setting(
        store=store,
        group=group or Group(),
        device=CPU,
        wrap=lambda network: network,
        versions={"torch": "2"},
        clock=now,
        vigil=Vigil(store, JOB, 1, "0", now),
    )


def run(store: ObjectStore, what: Order, group: Group | None = None) -> Ended:
    assert isinstance(what.spec, ResolvedEvaluation)
    return evaluation.run(what, what.spec, setting(store, group))
