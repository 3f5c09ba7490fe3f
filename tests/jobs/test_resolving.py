"""What an evaluation's request comes to, by what is registered."""

from typing import Any

import pytest
from sqlalchemy import Engine

from service.errors import Invalid
from service.jobs import resolving
from service.jobs.beginnings import Beginnings
from service.jobs.resolving import Decided
from service.models.store import ModelStore, ModelVersion
from tests.jobs.making import NO_INPUTS, NOW, checkpoint_meta
from trainer.contract.baselines import BASELINES
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluateSpec, ResolvedEvaluation

FASHION = DATASETS["fashion-mnist-mini"]


@pytest.fixture
def registry(sqlite: Engine) -> ModelStore:
    """`digits` with versions 1 and 2, `clothes` of another data set, and `bought`, an imported one."""
    store, trained = ModelStore(sqlite), checkpoint_meta("job-1", 1, 1)
    clothes = {"dataset": FASHION.name, "class_names": FASHION.classes}
    bought = {"dataset": None, "dataset_fingerprint": None, "seed": None}
    for name, version, other in (
        ("digits", 1, {}),
        ("digits", 2, {}),
        ("clothes", 1, clothes),
        ("bought", 1, bought),
    ):
        meta = trained.model_copy(update=other)
        store.insert(ModelVersion("default", name, version, f"{name}-{version}", meta, NOW))
    return store


def decide(registry: ModelStore, project: str = "default", **fields: Any) -> Decided:
    asked = EvaluateSpec.model_validate({"kind": "evaluate"} | fields)
    beginnings = Beginnings(registry, lambda *_: [])
    return resolving.decide(asked, project, beginnings, NO_INPUTS, gpus=0)


def resolved(registry: ModelStore, **fields: Any) -> ResolvedEvaluation:
    spec = decide(registry, **fields).spec
    assert isinstance(spec, ResolvedEvaluation)
    return spec


def test_a_model_is_its_newest_version_on_what_it_was_trained_on(registry: ModelStore) -> None:
    spec = resolved(registry, model="digits")
    assert [(one.name, one.version) for one in spec.models] == [("digits", 2)]
    assert spec.models[0].prefix == "models/default/digits/000002"
    assert (spec.dataset, spec.protocol, spec.analyse) == ("digits", "center", False)
    assert resolved(registry, model="digits", version=1).models[0].version == 1


def test_an_ensemble_keeps_its_order(registry: ModelStore) -> None:
    members = [{"model": "bought"}, {"model": "digits", "version": 1}, {"model": "digits"}]
    made = decide(registry, ensemble=members, dataset="digits")
    assert isinstance(made.spec, ResolvedEvaluation)
    shown = [(one.name, one.version) for one in made.spec.models]
    assert shown == [("bought", 1), ("digits", 1), ("digits", 2)]
    assert [meta.dataset for meta in made.models] == [None, "digits", "digits"]


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"model": "digit"}, "model", "there are bought, clothes, digits, and POST /models"),
        ({"model": "digits", "version": 3}, "model", "no version 3; it has 2, 1"),
        ({"ensemble": [{"model": "digits"}, {"model": "x"}]}, "ensemble", "no model 'x'"),
        ({"model": "bought"}, "dataset", "was imported.*give 'dataset'"),
        ({"model": "digits", "dataset": "digit"}, "dataset", "there are .*digits"),
        ({"model": "digits", "dataset": FASHION.name}, "dataset", "0, 1, 2.*has T-shirt/top"),
        ({"ensemble": [{"model": "digits"}, {"model": "clothes"}]}, "ensemble", "all must be"),
        ({"model": "digits", "batch_size": 1, "workers": 2}, "workers", "fewer workers"),
        ({"model": "digits", "labels": {"a": "\0"}}, "labels", "NUL"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_with_what_there_is(
    registry: ModelStore, fields: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        decide(registry, **fields)
    assert refused.value.field == field


def test_a_network_of_one_size_is_not_shown_several(registry: ModelStore) -> None:
    maxout = checkpoint_meta("job-1", 1, 1).model_copy(update={"architecture": BASELINES["maxout"]})
    registry.insert(ModelVersion("default", "old", 1, "old-1", maxout, NOW))
    assert resolved(registry, model="old", protocol="10-crop").protocol == "10-crop"
    with pytest.raises(Invalid, match="32 pixels and no others") as refused:
        decide(registry, model="old", protocol="multi-scale")
    assert refused.value.field == "protocol"


def test_another_projects_models_are_not_there(registry: ModelStore) -> None:
    with pytest.raises(Invalid, match="there are none yet"):
        decide(registry, "another", model="digits")
