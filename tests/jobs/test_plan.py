from typing import Any

from service.cluster.cluster import Capacity
from service.jobs import plan
from service.jobs.plan import Plan
from service.jobs.resolving import Decided
from tests.jobs.making import checkpoint_meta, evaluation, spec
from tests.jobs.test_fit import node
from trainer.contract import counting
from trainer.contract.asked import Demand
from trainer.contract.evaluation import EvaluateSpec
from trainer.contract.reasons import Code
from trainer.contract.spec import TrainSpec

LEAST: dict[str, Any] = {"arch": "resnet20", "dataset": "digits"}


def of_training(capacity: Capacity | None = None, **fields: Any) -> Plan:
    asked = TrainSpec.model_validate(LEAST | fields)
    return plan.make(Decided(asked, spec(**fields)), capacity)


def of_evaluation(*, models: int = 1, **fields: Any) -> Plan:
    asked = EvaluateSpec.model_validate({"kind": "evaluate", "model": "digits"} | fields)
    metas = (checkpoint_meta("job-1", 1, 1),) * models
    return plan.make(Decided(asked, evaluation(**fields), metas), None)


def test_a_plan_counts_as_the_paper_does() -> None:
    made = of_training()
    assert made.parameters == 269_722
    assert 40_000_000 < made.multiply_adds < 41_000_000


def test_memory_grows_with_the_images_a_worker_holds_at_once() -> None:
    small = of_training(batch_size=64)
    shared = of_training(batch_size=128, workers=2)
    large = of_training(batch_size=128)
    assert small.memory_per_worker_bytes == shared.memory_per_worker_bytes
    assert large.memory_per_worker_bytes > small.memory_per_worker_bytes > 12 * small.parameters


def test_an_average_of_the_weights_takes_their_memory_once_more() -> None:
    plain, averaged = (of_training(recipe={"ema_decay": decay}) for decay in (0, 0.99))
    more = averaged.memory_per_worker_bytes - plain.memory_per_worker_bytes
    assert more == 4 * plain.parameters


def test_activations_that_are_computed_again_take_far_less_memory() -> None:
    kept, again = (of_training(arch="resnet110", checkpoint_activations=on) for on in (False, True))
    assert again.memory_per_worker_bytes < kept.memory_per_worker_bytes / 4


def test_an_elastic_job_needs_something_between_its_least_and_its_most() -> None:
    made = of_training(workers={"min": 1, "max": 4}, batch_size=128)
    assert (made.demand.cpus, made.least_demand.cpus) == (4, 1)
    fixed = of_training(workers=4, batch_size=128)
    assert fixed.demand == fixed.least_demand
    assert made.memory_per_worker_bytes == fixed.memory_per_worker_bytes
    (said,) = [note for note in made.notes if "turns" in note]
    assert "4 hold up to 32 at once, and 1 up to 32 in each of 4 turns" in said


def test_a_plan_that_could_start_now_has_nothing_against_it() -> None:
    made = of_training(Capacity((node(2),)), workers=2)
    assert made.demand == Demand(cpus=2, gpus=0)
    assert made.checks == ()


def test_a_plan_says_what_would_keep_the_job_waiting() -> None:
    def codes(capacity: Capacity | None) -> list[Code]:
        return [check.code for check in of_training(capacity, workers=2).checks]

    assert codes(None) == [Code.WAITING_FOR_CLUSTER]
    assert codes(Capacity((node(1),))) == [Code.WAITING_FOR_CPUS]
    assert codes(Capacity((node(2, free=(1, 0)),))) == [Code.WAITING_FOR_CPUS]


def test_an_evaluation_computes_every_view_in_every_model() -> None:
    once, crops = of_evaluation(), of_evaluation(protocol="10-crop")
    assert crops.multiply_adds == 10 * once.multiply_adds
    three = of_evaluation(models=3)
    assert (three.parameters, three.multiply_adds) == (3 * 269_722, 3 * once.multiply_adds)


def test_larger_views_cost_more_and_need_more_memory() -> None:
    once, scales = of_evaluation(), of_evaluation(protocol="multi-scale")
    network = checkpoint_meta("job-1", 1, 1).architecture
    sides = (32, 37, 55, 69, 91)
    assert scales.multiply_adds == 2 * sum(
        counting.multiply_adds(network, 10, side) for side in sides
    )
    assert scales.memory_per_worker_bytes > 4 * once.memory_per_worker_bytes


def test_an_evaluation_takes_far_less_memory_than_the_training_did() -> None:
    training, evaluating = of_training(batch_size=128), of_evaluation(batch_size=128)
    assert evaluating.memory_per_worker_bytes < training.memory_per_worker_bytes / 10


def test_a_plan_notes_what_was_decided_for_the_caller() -> None:
    def notes(**fields: Any) -> str:
        return " ".join(of_training(**fields).notes)

    small = notes(arch="resnet18")
    assert "3×3 convolution of stride 1" in small
    assert "'stem': 'paper'" in small
    assert "stem" not in notes(arch="resnet18", stem="small")
    assert "stem" not in notes(arch="resnet18", input_size=128)
    assert "100 of the 1437 training images are kept back" in notes(holdout=100)
    deep = notes(arch="resnet110", recipe="paper-cifar")
    assert "learning rate of 0.01 until the training error is below 80 %" in deep
    assert "start" not in notes(arch="resnet110", recipe={"name": "paper-cifar", "start_error": 0})
    assert "computed again" in notes(checkpoint_activations=True)
    assert "learning rate is 0.01 instead of 0.1" in notes(arch="vgg16")
    assert "batch norm" not in notes(arch="vgg16", recipe={"learning_rate": 0.02})
    assert "batch norm" not in notes(arch="googlenet")
    assert "not mirrored" in notes()
    assert notes(recipe={"flip": False}) == ""


def test_a_plan_of_an_evaluation_notes_its_images_and_views() -> None:
    data, views = of_evaluation(protocol="10-crop").notes
    assert "'digits', which digits:1 was trained on" in data
    assert "shown 10 times" in views
    assert of_evaluation(dataset="digits").notes == ()
