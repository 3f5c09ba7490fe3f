"""A service without HTTP, over both kinds of database."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.cluster.cluster import Capacity
from service.jobs.service import Jobs
from service.jobs.store import JobStore
from service.lifecycle import Job, State, advance
from service.models.store import ModelStore
from tests.jobs.making import Clock
from tests.jobs.test_fit import node
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code, reason
from trainer.contract.spec import TrainSpec


@dataclass
class World:
    """Jobs, a cluster that a test describes, and a clock that it turns."""

    jobs: Jobs
    objects: LocalStore
    clock: Clock
    capacity: Capacity | None

    def start(self, job: Job) -> Job:
        """The job when the reconciler has begun an attempt."""
        return self.move(job, State.STARTING, Code.STARTING)

    def move(self, job: Job, to: State, why: Code) -> Job:
        moved = advance(job, to, at=self.clock(), reason=reason(why, "So it is."))
        return self.jobs.store.save(moved, was=job)

    def states(self, job: Job) -> list[State]:
        """Those it has been in."""
        return [event.to_state for event in self.jobs.events(job.project, job.id)]


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine)


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    objects, clock, numbers = LocalStore(tmp_path / "store"), Clock(), count(1)
    seen: list[World] = []
    jobs = Jobs(
        store=JobStore(engine),
        objects=objects,
        capacity=lambda: seen[0].capacity,
        clock=clock,
        new_id=lambda: f"job-{next(numbers):05d}",
        registry=ModelStore(engine),
    )
    seen.append(World(jobs, objects, clock, Capacity((node(4),))))
    return seen[0]


def asked(**fields: object) -> TrainSpec:
    return TrainSpec.model_validate({"arch": "resnet20", "dataset": "digits"} | fields)
