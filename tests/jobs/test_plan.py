from service.cluster.cluster import Capacity
from service.jobs import plan
from tests.jobs.making import spec
from tests.jobs.test_fit import node
from trainer.contract.reasons import Code
from trainer.contract.spec import Demand


def test_a_plan_counts_as_the_paper_does() -> None:
    made = plan.make(spec(arch="resnet20"), None)
    assert made.parameters == 269_722
    assert 40_000_000 < made.multiply_adds < 41_000_000


def test_memory_grows_with_the_images_a_worker_holds_at_once() -> None:
    small = plan.make(spec(batch_size=64), None)
    shared = plan.make(spec(batch_size=128, workers=2), None)
    large = plan.make(spec(batch_size=128), None)
    assert small.memory_per_worker_bytes == shared.memory_per_worker_bytes
    assert large.memory_per_worker_bytes > small.memory_per_worker_bytes > 12 * small.parameters


def test_a_plan_that_could_start_now_has_nothing_against_it() -> None:
    made = plan.make(spec(workers=2), Capacity((node(2),)))
    assert made.demand == Demand(cpus=2, gpus=0)
    assert made.checks == ()


def test_a_plan_says_what_would_keep_the_job_waiting() -> None:
    def codes(capacity: Capacity | None) -> list[Code]:
        return [check.code for check in plan.make(spec(workers=2), capacity).checks]

    assert codes(None) == [Code.WAITING_FOR_CLUSTER]
    assert codes(Capacity((node(1),))) == [Code.WAITING_FOR_CPUS]
    assert codes(Capacity((node(2, free=(1, 0)),))) == [Code.WAITING_FOR_CPUS]
