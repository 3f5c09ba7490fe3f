"""Promises of an evaluation's spec."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluatedModel, EvaluateSpec
from trainer.contract.kinds import JobSpec, Resolved
from trainer.contract.resolve import resolve_evaluation
from trainer.contract.spec import TrainSpec
from trainer.contract.suits import Unresolvable

MINI = DATASETS["fashion-mnist-mini"]
MODELS = (EvaluatedModel(name="fashion", version=1, prefix="models/default/fashion/000001"),)
ASKED: TypeAdapter[Any] = TypeAdapter(JobSpec)
RESOLVED: TypeAdapter[Any] = TypeAdapter(Resolved)


def test_a_body_without_a_kind_wants_to_train() -> None:
    body = {"arch": "resnet20", "dataset": "digits"}
    assert isinstance(ASKED.validate_python(body), TrainSpec)
    assert isinstance(ASKED.validate_python(body | {"kind": "train"}), TrainSpec)
    evaluated = ASKED.validate_python({"kind": "evaluate", "model": "fashion"})
    assert isinstance(evaluated, EvaluateSpec)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "either 'model' or 'ensemble'"),
        ({"model": "a", "ensemble": [{"model": "b"}]}, "either 'model' or 'ensemble'"),
        ({"version": 1, "ensemble": [{"model": "b"}]}, "belongs to 'model'"),
        ({"ensemble": []}, "at least 1"),
        ({"ensemble": [{"model": "a"}, {"model": "b"}], "analyse": True}, "one model"),
        ({"model": "a", "arch": "resnet20"}, "Extra inputs"),
        ({"model": "a", "protocol": "12-crop"}, "multi-scale"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        EvaluateSpec.model_validate({"kind": "evaluate"} | fields)


def test_an_evaluation_survives_the_journey_to_the_worker() -> None:
    asked = EvaluateSpec(kind="evaluate", model="fashion", protocol="10-crop", labels={"a": "b"})
    spec = resolve_evaluation(asked, MINI, MODELS, gpus=0)
    assert (spec.workers, spec.dataset, spec.models) == (2, MINI.name, MODELS)
    assert spec.demand.cpus == 2
    assert RESOLVED.validate_json(spec.model_dump_json()) == spec


def test_more_workers_than_images_at_once_are_refused() -> None:
    asked = EvaluateSpec(kind="evaluate", model="fashion", batch_size=2, workers=3)
    with pytest.raises(Unresolvable, match="fewer workers"):
        resolve_evaluation(asked, MINI, MODELS, gpus=0)
