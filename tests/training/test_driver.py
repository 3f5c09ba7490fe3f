"""What the driver asks of Ray, and what it makes of Ray's errors."""

import pytest
import ray.exceptions
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import (
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)

from tests.training.small_runs import small_spec
from trainer.contract.datasets import DATASETS
from trainer.contract.evaluation import EvaluateSpec
from trainer.contract.reasons import FREE, Code, Reason
from trainer.contract.resolve import resolve_evaluation
from trainer.training.driver import backend, scaling
from trainer.training.endings import Diverged
from trainer.training.failures import classify
from trainer.training.ray_failures import failures


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


@pytest.mark.parametrize(
    ("gpus", "expected"), [(0, "gloo"), (0.5, "gloo"), (1, "cpu:gloo,cuda:nccl")]
)
def test_only_workers_with_a_gpu_of_their_own_use_nccl(gpus: float, expected: str) -> None:
    assert backend(small_spec(gpus_per_worker=gpus)) == expected


def lost(error: Exception, rank: int = 1) -> Reason:
    """The reason when Ray has `error` to say of a worker."""
    unwell = WorkerHealthCheckFailedError("no answer", error)
    return classify(failures(WorkerGroupError("", {rank: unwell})))


def died(because: str, *, preempted: bool = False) -> ray.exceptions.RayActorError:
    """As Ray says it."""
    news = (
        "The actor died unexpectedly before finishing this task.\n\tclass_name: RayTrainWorker\n"
        f"\tactor_id: 01\n\tpid: 12\n\tnamespace: 34\n\tip: 10.0.0.2\n{because}"
    )
    return ray.exceptions.RayActorError("01", news, preempted=preempted)


def test_a_worker_that_died_is_a_lost_worker_and_named() -> None:
    why = lost(died("The actor is dead because its worker process has died.\nMore of it."))
    assert why.code == Code.WORKER_LOST
    assert why.message == (
        "worker 1 on 10.0.0.2 is gone: The actor is dead because its worker process has died."
    )


def test_a_worker_whose_machine_died_is_told_apart() -> None:
    why = lost(died("The actor died because its node has died. Node Id: 5, Ip: 10.0.0.2"))
    assert (why.code, why.message) == (
        Code.NODE_LOST,
        "the machine of worker 1 on 10.0.0.2 is gone",
    )
    assert lost(ray.exceptions.NodeDiedError("gone")).code == Code.NODE_LOST


def test_a_worker_whose_machine_was_taken_away_costs_nothing() -> None:
    why = lost(died("The actor died because its node has died.", preempted=True))
    assert why.code in FREE


def test_a_worker_that_ran_out_of_memory_is_told_apart() -> None:
    why = lost(ray.exceptions.OutOfMemoryError("too much"), rank=0)
    assert why.code == Code.OUT_OF_MEMORY_HOST
    assert why.message.startswith("worker 0 was ended")


def test_a_worker_that_does_not_answer_is_lost() -> None:
    silent = WorkerGroupError("", {1: WorkerHealthCheckTimeoutError("hanging for 30 seconds")})
    why = classify(failures(silent))
    assert (why.code, why.message) == (Code.WORKER_LOST, "worker 1 does not answer any more")


def test_the_worker_that_knows_the_cause_is_believed() -> None:
    followed = RuntimeError("Connection closed by peer [127.0.0.1]:1")
    found = failures(WorkerGroupError("", {0: followed, 1: Diverged(3)}))
    assert classify(found).code == Code.DIVERGED


def test_what_ray_itself_fails_of_has_a_reason_too() -> None:
    for failure in (ControllerError(died("why")), died("why")):
        assert classify(failures(failure)).code == Code.WORKER_LOST
    assert classify(failures(ValueError("a wrong setting"))).code == Code.INTERNAL
