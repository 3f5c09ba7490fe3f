"""What a dry run says of a sweep: its trials, and how long they take by what was measured."""

from dataclasses import replace

import pytest

from service.cluster.cluster import Capacity, Node
from service.jobs import pace, plan
from service.jobs.pace import UNKNOWN
from service.lifecycle import Job, Progress
from tests.jobs.making import job
from tests.sweeps.asking import decided
from trainer.contract.reasons import Code
from trainer.contract.spec import ResolvedSpec

CAPACITY = Capacity(nodes=(Node("node", "10.0.0.1", cpus=4, cpus_free=4, gpus=0, gpus_free=0),))


def _measured(arch: str, rate: float) -> Job:
    """A training that came to `rate` images a second."""
    progress = Progress(epoch=1, epochs=1, step=5, steps=5, images_per_second=rate, eta_s=0)
    return replace(job(arch=arch), progress=progress)


def test_nothing_is_guessed_where_nothing_was_measured() -> None:
    found = plan.make(decided(), CAPACITY, UNKNOWN).sweep
    assert found is not None
    assert (found.count, found.hours, found.worker_hours, found.measured) == (2, None, None, 0)
    assert [trial.network for trial in found.trials] == ["resnet20", "resnet32"]


def test_a_network_that_was_measured_takes_as_long_again() -> None:
    found = decided(iterations=100, batch_size=64, space={"depth": [20]})
    pace_ = pace.of([_measured("resnet20", 1000.0)])
    (trial,) = found.trials
    assert pace_.seconds(trial) == pytest.approx(100 * 64 / 1000)


def test_another_network_takes_longer_by_its_multiply_adds() -> None:
    shallow, deep = decided(iterations=100, batch_size=64).trials
    pace_ = pace.of([_measured("resnet20", 1000.0)])
    seconds = pace_.seconds(deep)
    assert seconds is not None
    assert seconds / (pace_.seconds(shallow) or 0) == pytest.approx(
        pace.work(deep) / pace.work(shallow)
    )


def test_two_workers_take_half_as_long_and_a_gpu_is_no_measure_for_a_cpu() -> None:
    pace_ = pace.of([_measured("resnet20", 1000.0)])
    one, two = (decided(workers=n, space={"depth": [20]}).trials[0] for n in (1, 2))
    assert (pace_.seconds(one) or 0) == pytest.approx(2 * (pace_.seconds(two) or 0))
    assert pace_.seconds(one.model_copy(update={"gpus_per_worker": 1.0})) is None


def test_all_trials_together_take_their_sum_and_at_once_divides_the_time() -> None:
    asked = decided(workers=2, search={"at_once": 2, "seeds": 3})
    found = plan.make(asked, CAPACITY, pace.of([_measured("resnet20", 1000.0)])).sweep
    assert found is not None
    each = [trial.hours or 0 for trial in found.trials]
    assert len(each) == 6
    assert found.hours == pytest.approx(sum(each) / 2)
    assert found.worker_hours == pytest.approx(2 * sum(each))


def test_of_a_search_all_trials_are_counted_though_few_are_known() -> None:
    rate = {"recipe.learning_rate": {"min": 0.01, "max": 0.1}}
    asked = decided(depth=20, space=rate, search={"name": "random", "trials": 10, "at_once": 1})
    found = plan.make(asked, CAPACITY, pace.of([_measured("resnet20", 1000.0)])).sweep
    assert found is not None
    assert (found.count, len(found.trials)) == (10, 2)
    assert found.hours == pytest.approx(10 * (found.trials[0].hours or 0))


def test_what_would_never_start_says_so() -> None:
    found = plan.make(decided(depth=20, space={"workers": [2, 8]}), CAPACITY, UNKNOWN).sweep
    assert found is not None
    small, large = found.trials
    assert small.check is None
    assert large.check is not None
    assert large.check.code is Code.WAITING_FOR_CPUS


def test_asha_over_depths_comes_with_a_warning() -> None:
    warned = plan.make(decided(search="asha"), CAPACITY).notes
    assert any("converge later" in note for note in warned)
    alone = plan.make(decided(search="asha", space={"depth": [20], "seed": [0, 1]}), CAPACITY).notes
    assert not any("converge later" in note for note in alone)


def test_the_largest_trial_says_what_memory_is_needed() -> None:
    asked = decided(space={"depth": [20, 110]})
    deep = asked.trials[1]
    assert isinstance(deep, ResolvedSpec)
    found = plan.make(asked, CAPACITY)
    assert found.parameters == max(
        trial.parameters for trial in (found.sweep.trials if found.sweep else ())
    )
