"""A model version is an immutable copy of a checkpoint that outlives its job."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.deployments.deployment import Canary, Replicas
from service.deployments.service import Deployments
from service.deployments.store import DeploymentStore
from service.errors import Conflict, NotFound
from service.jobs.service import Jobs
from service.jobs.store import JobStore
from service.lifecycle import Job, State, advance
from service.models.service import Models
from service.models.store import ModelStore
from tests.serving.versions import write_checkpoint
from trainer.contract import checkpoints, layout, manifest
from trainer.contract.attempts import Best, Started
from trainer.contract.checkpoints import MODEL_FILES, WEIGHTS
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code, reason
from trainer.contract.spec import TrainSpec

ONE = Replicas(min=1, max=1)
SPEC = TrainSpec(
    arch="resnet8", dataset="digits", workers=1, gpus_per_worker=0, register_as="digits"
)


@dataclass
class House:
    """The registry with what it stands on."""

    objects: LocalStore
    jobs: Jobs
    models: Models
    deployments: Deployments

    def job(self) -> Job:
        """A job whose first attempt has begun."""
        queued, _ = self.jobs.create("default", SPEC)
        why = reason(Code.STARTING, "It starts.")
        starting = advance(queued, State.STARTING, at=queued.created_at, reason=why)
        self.jobs.store.save(starting, was=queued)
        started = Started(
            job_id=starting.id,
            attempt=1,
            resumed_step=0,
            resumed_attempt=None,
            device="cpu",
            precision="fp32",
            channels_last=False,
            versions={},
            at=queued.created_at,
        )
        self.objects.put(layout.started(starting.id, 1), started.model_dump_json().encode())
        return starting


@pytest.fixture
def house(engine: Engine, tmp_path: Path) -> House:
    objects = LocalStore(tmp_path / "objects")
    numbers = count(1)
    seconds = count()

    def clock() -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(seconds))

    registered = ModelStore(engine)
    jobs = Jobs(
        store=JobStore(engine),
        objects=objects,
        capacity=lambda: None,
        clock=clock,
        new_id=lambda: f"job-{next(numbers):04}",
        registry=registered,
    )
    models = Models(registered, objects, jobs, clock)
    return House(objects, jobs, models, Deployments(DeploymentStore(engine), models, clock))


def test_the_best_checkpoint_becomes_a_version_with_its_provenance(house: House) -> None:
    job = house.job()
    write_checkpoint(house.objects, job.id, step=10, top1_error=30)
    best = write_checkpoint(house.objects, job.id, step=20, top1_error=10)
    write_checkpoint(house.objects, job.id, step=30, top1_error=20)
    made = house.models.register("default", "digits", job.id)
    assert (made.version, made.meta) == (1, best.meta)
    copied = checkpoints.read(house.objects, layout.model_version("default", "digits", 1))
    assert {entry.name for entry in copied.manifest.files} == set(MODEL_FILES)
    assert house.models.get("default", "digits").versions == [made]


def test_a_named_checkpoint_becomes_a_version(house: House) -> None:
    job = house.job()
    write_checkpoint(house.objects, job.id, step=10, top1_error=30)
    write_checkpoint(house.objects, job.id, step=20, top1_error=10)
    assert house.models.register("default", "digits", job.id, step=10).meta.step == 10
    with pytest.raises(NotFound, match="it has 10, 20"):
        house.models.register("default", "digits", job.id, step=11)


def test_a_job_without_a_measured_checkpoint_gives_no_version(house: House) -> None:
    job = house.job()
    with pytest.raises(Conflict, match="wait for its first epoch"):
        house.models.register("default", "digits", job.id)
    write_checkpoint(house.objects, job.id, top1_error=None)
    with pytest.raises(Conflict, match="wait for its first epoch"):
        house.models.register("default", "digits", job.id)


def test_a_job_of_another_project_is_not_there(house: House) -> None:
    job = house.job()
    write_checkpoint(house.objects, job.id)
    with pytest.raises(NotFound):
        house.models.register("stranger", "digits", job.id)


def test_a_damaged_checkpoint_is_refused_and_leaves_no_version(house: House) -> None:
    job = house.job()
    written = write_checkpoint(house.objects, job.id)
    house.objects.put(f"{written.prefix}/{WEIGHTS}", b"damaged")
    with pytest.raises(Conflict, match="not what its manifest says"):
        house.models.register("default", "digits", job.id)
    with pytest.raises(NotFound):
        house.models.get("default", "digits")


def test_registrations_at_once_get_numbers_and_objects_of_their_own(house: House) -> None:
    job = house.job()
    steps = range(1, 9)
    for step in steps:
        write_checkpoint(house.objects, job.id, step=step, seed=step)
    threads = [
        threading.Thread(
            target=house.models.register, args=("default", "digits", job.id), kwargs={"step": step}
        )
        for step in steps
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = house.models.get("default", "digits").versions
    assert [made.version for made in versions] == list(range(8, 0, -1))
    assert {made.meta.step for made in versions} == set(steps)
    for made in versions:
        prefix = layout.model_version("default", "digits", made.version)
        held = checkpoints.read(house.objects, prefix)
        assert held.meta == made.meta
        source = checkpoints.read(house.objects, made.origin).manifest
        assert set(held.manifest.files) <= set(source.files)


def test_a_registration_that_died_costs_a_number_and_no_more(house: House) -> None:
    job = house.job()
    write_checkpoint(house.objects, job.id)
    house.objects.create(layout.model_claim("default", "digits", 1), b"")
    assert house.models.register("default", "digits", job.id).version == 2


def test_a_result_is_registered_once(house: House) -> None:
    job = house.job()
    written = write_checkpoint(house.objects, job.id)
    assert written.meta.metrics
    best = Best(attempt=1, step=written.meta.step, metrics=written.meta.metrics)
    house.models.register_result(job, best, "digits")
    house.models.register_result(job, best, "digits")
    assert [made.version for made in house.models.get("default", "digits").versions] == [1]


def test_a_result_that_is_gone_does_not_hold_its_job_back(house: House) -> None:
    point = write_checkpoint(house.objects, "job-other").meta.metrics
    assert point
    house.models.register_result(house.job(), Best(attempt=1, step=99, metrics=point), "digits")
    with pytest.raises(NotFound):
        house.models.get("default", "digits")


def test_aliases_move_and_name_versions_that_exist(house: House) -> None:
    register(house, versions=2)
    assert house.models.point("default", "digits", "best", 1).aliases == {"best": 1}
    assert house.models.point("default", "digits", "best", 2).aliases == {"best": 2}
    with pytest.raises(NotFound, match="it has 2, 1"):
        house.models.point("default", "digits", "best", 3)
    house.models.drop_alias("default", "digits", "best")
    with pytest.raises(NotFound, match="PUT /models/digits/aliases/best"):
        house.models.aliased("default", "digits", "best")


def test_a_version_in_use_is_not_deleted(house: House) -> None:
    register(house, versions=4)
    house.models.point("default", "digits", "best", 1)
    canary = Canary(version=3, percent=10, replicas=ONE)
    house.deployments.ask("default", "digits", version=2, alias=None, replicas=ONE, canary=canary)
    for number in (1, 2, 3):
        with pytest.raises(Conflict):
            house.models.delete("default", "digits", number)
    house.models.delete("default", "digits", 4)
    assert [made.version for made in house.models.get("default", "digits").versions] == [3, 2, 1]


def test_a_deleted_version_is_gone_and_its_number_is_not_used_again(house: House) -> None:
    job = register(house, versions=2)
    house.models.delete("default", "digits", 2)
    prefix = layout.model_version("default", "digits", 2)
    claim = layout.model_claim("default", "digits", 2)
    assert [found.key for found in house.objects.list(f"{prefix}/")] == [claim]
    assert list(manifest.prefixes(house.objects, f"{prefix}/")) == []
    assert house.models.register("default", "digits", job.id).version == 3


def test_an_alias_that_a_deployment_follows_stays(house: House) -> None:
    register(house, versions=1)
    house.models.point("default", "digits", "best", 1)
    house.deployments.ask("default", "digits", version=None, alias="best", replicas=ONE)
    with pytest.raises(Conflict, match="follows the alias"):
        house.models.drop_alias("default", "digits", "best")


def test_pages_cover_every_model_once_by_name(house: House) -> None:
    job = house.job()
    write_checkpoint(house.objects, job.id)
    names = [f"model-{letter}" for letter in "cadbe"]
    for name in (*names, "model-a"):
        house.models.register("default", name, job.id)
    found, cursor = [], None
    while True:
        models, cursor = house.models.page("default", limit=2, cursor=cursor)
        found += [(model.name, model.versions[0].version) for model in models]
        if cursor is None:
            break
    assert found == [(name, 2 if name == "model-a" else 1) for name in sorted(names)]
    assert house.models.page("stranger") == ([], None)


def register(house: House, *, versions: int) -> Job:
    job = house.job()
    write_checkpoint(house.objects, job.id)
    for _ in range(versions):
        house.models.register("default", "digits", job.id)
    return job
