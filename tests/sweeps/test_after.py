"""Evaluations that come when all trainings of a sweep have ended."""

from typing import Any

from service.lifecycle import Job, State
from tests.jobs.making import finish, measure, point, succeed
from tests.sweeps.world import SweepWorld
from trainer.contract.evaluation import ResolvedEvaluation
from trainer.contract.reasons import Code


def _trained(swept: SweepWorld, preset: str) -> None:
    """All trainings of a preset have succeeded but the last, and its search is done."""
    fields: dict[str, Any] = {"space": None, "arch": None, "preset": preset, "epochs": 1}
    sweep = swept.begin(**fields, dataset="fashion-mnist-mini")
    points = getattr(sweep.spec, "points", None) or ()
    swept.propose(*points)
    for number in range(1, len(points) + 1):
        job = swept.world.run(swept.job(number))
        measure(swept.world.objects, job.id, 1, [point(1, "val", top1_error=10.0 + number)])
        if number < len(points):
            succeed(swept.world.objects, job.id, 1)
            swept.world.end(job)
            swept.world.tick(2)
    last = swept.job(len(points))
    swept.jobs.cancel("default", last.id)
    swept.world.end(last)
    swept.world.tick(2)
    swept.search_ends()


def _evaluations(swept: SweepWorld) -> dict[int, Job]:
    found = swept.trials.evaluations(swept.sweep.id)
    return {number: job for number, job in found.items() if job}


def _evaluate(swept: SweepWorld, job: Job) -> None:
    now = swept.world.run(job)
    finish(swept.world.objects, now.id, now.attempt)
    swept.world.end(now)
    swept.world.tick(2)


def test_the_networks_that_were_trained_are_evaluated_together(swept: SweepWorld) -> None:
    _trained(swept, "paper-table-5")
    (together,) = _evaluations(swept).values()
    assert isinstance(together.spec, ResolvedEvaluation)
    assert together.spec.protocol == "multi-scale"
    assert [(model.name, model.version) for model in together.spec.models] == [
        ("resnet18", 1),
        ("resnet34", 2),
        ("resnet50", 3),
        ("resnet101", 4),
        ("resnet152", 5),
    ]
    assert all(swept.job(n).id in together.spec.models[n - 1].prefix for n in range(1, 6))
    assert swept.see().state is State.RUNNING
    swept.world.restart()
    swept.world.tick(2)
    assert len(_evaluations(swept)) == 1
    _evaluate(swept, together)
    assert swept.see().state is State.SUCCEEDED


def test_each_network_is_looked_into(swept: SweepWorld) -> None:
    _trained(swept, "paper-figure-7")
    made = _evaluations(swept)
    assert list(made) == [1, 2, 3, 4]
    for number, job in made.items():
        assert isinstance(job.spec, ResolvedEvaluation)
        assert job.spec.analyse
        assert [model.version for model in job.spec.models] == [number]
        _evaluate(swept, job)
    assert swept.see().state is State.SUCCEEDED


def test_what_comes_last_is_cancelled_and_deleted_with_the_sweep(swept: SweepWorld) -> None:
    _trained(swept, "paper-table-5")
    swept.jobs.cancel("default", swept.sweep.id)
    swept.world.end(swept.see())
    swept.world.tick(2)
    (together,) = _evaluations(swept).values()
    swept.world.end(together)
    swept.world.tick(2)
    (together,) = _evaluations(swept).values()
    assert together.state is State.CANCELLED
    assert together.reason is not None
    assert together.reason.code is Code.CANCELLED_WITH_SWEEP
    swept.jobs.delete("default", swept.sweep.id)
    assert swept.jobs.page("default").items == ()
