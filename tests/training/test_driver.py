"""What the driver asks of Ray, and what it makes of Ray's errors."""

import pytest
import ray.exceptions
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

from tests.training.small_runs import small_spec
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluateSpec
from trainer.contract.reasons import Code
from trainer.contract.resolve import resolve_evaluation
from trainer.training.driver import LOST, OUT_OF_MEMORY, backend, causes, scaling
from trainer.training.failures import Diverged, classify


def code(failure: Exception) -> Code:
    return classify(causes(failure), lost=LOST, out_of_memory=OUT_OF_MEMORY).code


def test_workers_on_cpus_ask_for_no_gpu() -> None:
    asked = scaling(small_spec(workers=3, cpus_per_worker=2, gpus_per_worker=0))
    assert (asked.num_workers, asked.use_gpu) == (3, False)
    assert asked.resources_per_worker == {"CPU": 2.0}


def test_workers_on_gpus_ask_for_theirs() -> None:
    asked = scaling(small_spec(workers=2, gpus_per_worker=1))
    assert asked.use_gpu is True
    assert asked.resources_per_worker == {"CPU": 1.0, "GPU": 1.0}


def test_an_evaluation_is_placed_like_a_training() -> None:
    asked = EvaluateSpec(kind="evaluate", model="digits", workers=2, cpus_per_worker=3)
    spec = resolve_evaluation(asked, DATASETS["digits"], (), gpus=0)
    assert scaling(spec) == scaling(small_spec(workers=2, cpus_per_worker=3))
    assert backend(spec) == "gloo"


@pytest.mark.parametrize(("gpus", "expected"), [(0, "gloo"), (0.5, "gloo"), (1, "nccl")])
def test_only_workers_with_a_gpu_of_their_own_use_nccl(gpus: float, expected: str) -> None:
    assert backend(small_spec(gpus_per_worker=gpus)) == expected


def test_a_worker_that_died_is_a_lost_worker() -> None:
    died = WorkerHealthCheckFailedError("no answer", ray.exceptions.RayActorError())
    assert code(WorkerGroupError("", {1: died})) == Code.WORKER_LOST


def test_a_worker_that_ran_out_of_memory_is_told_apart() -> None:
    full = WorkerHealthCheckFailedError("no answer", ray.exceptions.OutOfMemoryError("too much"))
    assert code(WorkerGroupError("", {0: full})) == Code.OUT_OF_MEMORY_HOST


def test_the_worker_that_knows_the_cause_is_believed() -> None:
    followed = RuntimeError("Connection closed by peer [127.0.0.1]:1")
    assert code(WorkerGroupError("", {0: followed, 1: Diverged(3)})) == Code.DIVERGED


def test_what_ray_itself_fails_of_has_a_reason_too() -> None:
    assert code(ControllerError(ray.exceptions.RayActorError())) == Code.WORKER_LOST
    assert code(ValueError("a wrong setting")) == Code.INTERNAL
