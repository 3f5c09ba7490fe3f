"""Whose weights a training begins with, by what is registered and what jobs have kept."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine

from service.errors import Invalid, NotFound
from service.jobs import notes, resolving
from service.jobs.beginnings import Beginnings
from service.jobs.resolving import Decided
from service.models.store import ModelStore, ModelVersion
from tests.jobs.making import NO_INPUTS, NOW, checkpoint_meta, point
from trainer.contract import layout
from trainer.contract.checkpoints import Checkpoint
from trainer.contract.manifest import Manifest
from trainer.contract.spec import ResolvedSpec, ResolvedStart, TrainSpec

ERRORS = {10: 20.0, 20: 5.0, 30: None, 40: 10.0}
"""Step → validation error, percent, of the checkpoints of `job-1`."""


@dataclass(frozen=True)
class World:
    beginnings: Beginnings

    def decide(self, start_from: dict[str, Any], **fields: Any) -> Decided:
        body = {"arch": "resnet20", "dataset": "digits", "gpus_per_worker": 0} | fields
        asked = TrainSpec.model_validate(body | {"start_from": start_from})
        return resolving.decide(asked, "default", self.beginnings, NO_INPUTS, gpus=0)

    def start(self, **start_from: Any) -> ResolvedStart:
        spec = self.decide(start_from).spec
        assert isinstance(spec, ResolvedSpec)
        assert spec.start_from is not None
        return spec.start_from


def kept(step: int, error: float | None) -> Checkpoint:
    scored = None if error is None else point(step, "val", top1_error=error)
    meta = checkpoint_meta("job-1", 1, step).model_copy(update={"metrics": scored})
    empty = Manifest(files=(), meta={}, created_at=NOW)
    return Checkpoint(prefix=layout.checkpoint("job-1", 1, step), manifest=empty, meta=meta)


def checkpoints(project: str, job: str) -> list[Checkpoint]:
    if project != "default" or job not in {"job-1", "job-2"}:
        raise NotFound("There is no such job.")
    return [kept(step, error) for step, error in ERRORS.items()] if job == "job-1" else []


@pytest.fixture
def world(sqlite: Engine) -> World:
    store = ModelStore(sqlite)
    for version in (1, 2):
        meta = checkpoint_meta("job-1", 1, version)
        store.insert(ModelVersion("default", "digits", version, str(version), meta, NOW))
    return World(Beginnings(store, checkpoints))


def test_a_model_is_meant_by_its_newest_version_or_a_named_one(world: World) -> None:
    found = world.start(model="digits")
    assert (found.name, found.prefix) == ("digits:2", "models/default/digits/000002")
    assert found.classifier
    assert world.start(model="digits", version=1).name == "digits:1"


def test_a_job_is_meant_by_its_best_checkpoint(world: World) -> None:
    found = world.start(job="job-1")
    assert found.name == "step 20 of job-1"
    assert found.prefix == layout.checkpoint("job-1", 1, 20)


def test_a_checkpoint_is_meant_by_its_step(world: World) -> None:
    assert world.start(checkpoint={"job": "job-1", "step": 40}).name == "step 40 of job-1"


def test_other_classes_want_another_classifier_and_the_plan_says_so(world: World) -> None:
    made = world.decide({"model": "digits"}, dataset="fashion-mnist-mini")
    assert isinstance(made.spec, ResolvedSpec)
    assert made.spec.start_from is not None
    assert not made.spec.start_from.classifier
    assert any("digits:2 but for the classifier" in note for note in notes.of(made))


@pytest.mark.parametrize(
    ("start_from", "fields", "says"),
    [
        ({"model": "digit"}, {}, "no model 'digit'; there are digits"),
        ({"model": "digits", "version": 3}, {}, "no version 3; it has 2, 1"),
        ({"job": "job-3"}, {}, "no job 'job-3'"),
        ({"job": "job-2"}, {}, "has no checkpoint"),
        ({"checkpoint": {"job": "job-1", "step": 15}}, {}, "of the steps 10, 20, 30, 40"),
        ({"model": "digits"}, {"arch": "resnet32"}, "those of resnet20.*the job is resnet32"),
        ({"model": "digits"}, {"shortcut": "C"}, "shortcut A.*shortcut C"),
    ],
)
def test_weights_that_there_are_not_or_do_not_fit_are_refused(
    world: World, start_from: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        world.decide(start_from, **fields)
    assert refused.value.field == "start_from"


@pytest.mark.parametrize(
    "start_from", [{}, {"model": "a", "job": "b"}, {"job": "a", "version": 1}, {"path": "/etc"}]
)
def test_one_thing_is_to_be_named(world: World, start_from: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"give either|belongs to|not permitted"):
        world.decide(start_from)
