"""Sweeps as tests ask for them."""

from typing import Any

from service.jobs import resolving
from service.jobs.beginnings import Beginnings
from service.jobs.fit import Room
from service.jobs.resolving import Decided
from tests.jobs.making import NO_INPUTS
from trainer.contract.kinds import JobSpec
from trainer.contract.sweep import ResolvedSweep, SweepSpec

NOBODY: Any = None
"""The registry of models: no trial of these names one."""

ROOMS = (Room(cpus=4, gpus=0),)
LEAST = {
    "kind": "sweep",
    "arch": "resnet",
    "dataset": "digits",
    "workers": 1,
    "gpus_per_worker": 0,
    "space": {"depth": [20, 32]},
}


def asked(**fields: Any) -> SweepSpec:
    return SweepSpec.model_validate(LEAST | fields)


def decided(**fields: Any) -> Decided:
    wanted: JobSpec = asked(**fields)
    beginnings = Beginnings(NOBODY, lambda *_: [])
    return resolving.decide(wanted, "default", beginnings, NO_INPUTS, gpus=0, rooms=ROOMS)


def sweep(**fields: Any) -> ResolvedSweep:
    found = decided(**fields).spec
    assert isinstance(found, ResolvedSweep)
    return found
