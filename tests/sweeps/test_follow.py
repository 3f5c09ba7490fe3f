"""Trials are jobs: made once, told of, and taken along by their sweep."""

import pytest

from service.errors import IllegalTransition, Invalid
from service.jobs.control import More
from service.lifecycle import State
from tests.jobs.making import measure, point, succeed
from tests.sweeps.world import SweepWorld
from trainer.contract.reasons import Code
from trainer.contract.sweep import ResolvedSweep


def _train(swept: SweepWorld, number: int, *errors: float) -> None:
    """A trial's first attempt runs, and has validated so often."""
    job = swept.world.run(swept.job(number))
    points = [
        point(step, "val", epoch=step, top1_error=error) for step, error in enumerate(errors, 1)
    ]
    measure(swept.world.objects, job.id, job.attempt, points)
    swept.world.tick()


def test_each_proposal_is_made_a_job_once(swept: SweepWorld) -> None:
    swept.begin(labels={"team": "vision"}, priority=3)
    swept.propose({"depth": 20}, {"depth": 32})
    swept.world.restart()
    swept.world.tick(3)
    jobs = [swept.job(1), swept.job(2)]
    assert [job.spec.name for job in jobs] == ["depth 20", "depth 32"]
    assert {job.spec.priority for job in jobs} == {3}
    assert jobs[1].spec.labels == {"team": "vision", "sweep": swept.sweep.id, "trial": "2"}
    assert len(swept.jobs.page("default", kind="train").items) == 2


def test_the_search_hears_how_far_a_trial_is(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20})
    _train(swept, 1, 30.0, 25.0)
    told = swept.standing(1)
    assert (told.state, told.ended, told.failure) == ("running", False, None)
    assert [(each.epoch, each.top1_error) for each in told.validations] == [(1, 30.0), (2, 25.0)]
    succeed(swept.world.objects, swept.job(1).id, 1)
    swept.world.tick(2)
    assert (swept.standing(1).state, swept.standing(1).ended) == ("succeeded", True)


def test_a_point_that_is_no_training_is_a_trial_that_says_why(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 21}, {"depth": 20})
    refused, made = swept.made()
    assert refused.job is None
    assert refused.refusal is not None
    assert refused.refusal.code is Code.INVALID_POINT
    assert "21 is none of them" in refused.refusal.message
    assert swept.standing(1).failure == refused.refusal.message
    assert made.job is not None


def test_a_trial_that_the_search_ends_says_so(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20}, {"depth": 32})
    _train(swept, 1, 90.0)
    swept.judge(1)
    assert swept.job(1).state is State.CANCELLING
    swept.world.end(swept.job(1))
    swept.world.tick(2)
    ended = swept.job(1)
    assert ended.state is State.CANCELLED
    assert ended.reason is not None
    assert (ended.reason.code, ended.reason.message) == (
        Code.STOPPED_BY_SEARCH,
        "It was not worth it.",
    )
    assert swept.job(2).state is not State.CANCELLED
    told = swept.standing(1)
    assert (told.ended, told.failure) == (True, None)


def test_trials_rest_and_go_on_with_their_sweep(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20}, {"depth": 32})
    alone = swept.job(2)
    swept.jobs.pause("default", alone.id)
    swept.world.end(alone)
    swept.world.tick(2)
    swept.jobs.pause("default", swept.sweep.id)
    swept.world.tick()
    swept.world.end(swept.see())
    swept.world.end(swept.job(1))
    swept.world.tick(3)
    assert swept.see().state is State.PAUSED
    assert swept.states() == [State.PAUSED, State.PAUSED]
    swept.jobs.resume("default", swept.sweep.id)
    swept.world.tick(2)
    # What somebody paused by itself stays so.
    assert swept.states()[0] in {State.QUEUED, State.STARTING}
    assert swept.states()[1] is State.PAUSED


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_no_trial_outlives_its_sweep(swept: SweepWorld, how: str) -> None:
    swept.begin(max_retries=0)
    swept.propose({"depth": 20})
    if how == "cancelled":
        swept.jobs.cancel("default", swept.sweep.id)
    swept.world.end(swept.see())
    swept.world.tick(2)
    swept.world.end(swept.job(1))
    swept.world.tick(2)
    assert swept.see().state == how
    ended = swept.job(1)
    assert ended.state is State.CANCELLED
    assert ended.reason is not None
    assert ended.reason.code is Code.CANCELLED_WITH_SWEEP


def test_a_trial_that_was_deleted_holds_nothing_up(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20})
    swept.jobs.cancel("default", swept.job(1).id)
    swept.world.end(swept.job(1))
    swept.world.tick(2)
    swept.jobs.delete("default", swept.job(1).id)
    swept.world.tick()
    told = swept.standing(1)
    assert (told.ended, told.failure) == (True, "Its job was deleted.")


def test_a_sweep_ends_with_its_best_trial(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20}, {"depth": 32})
    for number, error in ((1, 12.0), (2, 9.0)):
        _train(swept, number, 40.0, error)
    succeed(swept.world.objects, swept.job(1).id, 1)
    swept.search_ends()
    assert swept.see().state is State.RUNNING  # a trial still trains
    succeed(swept.world.objects, swept.job(2).id, 1)
    swept.world.tick(2)
    ended = swept.see()
    assert ended.state is State.SUCCEEDED
    assert ended.result is not None
    assert ended.result.trial is not None
    assert (ended.result.trial.number, ended.result.trial.value) == (2, 9.0)
    assert ended.reason is not None
    assert ended.reason.message == (
        "2 trials: 2 succeeded. Trial 2 (depth 32) is the best: top1_error 9."
    )


def test_a_trial_without_any_error_is_the_best(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20}, {"depth": 32})
    for number, error in ((1, 0.0), (2, 9.0)):
        _train(swept, number, error)
        succeed(swept.world.objects, swept.job(number).id, 1)
    swept.search_ends()
    swept.world.tick(2)
    ended = swept.see()
    assert ended.state is State.SUCCEEDED
    assert ended.result is not None
    assert ended.result.trial is not None
    assert (ended.result.trial.number, ended.result.trial.value) == (1, 0.0)


def test_the_best_trial_is_registered_under_the_sweeps_name_and_deployed(swept: SweepWorld) -> None:
    swept.begin(register_as="best", deploy=True)
    swept.propose({"depth": 20})
    _train(swept, 1, 12.0)
    outcome = succeed(swept.world.objects, swept.job(1).id, 1)
    swept.search_ends()
    assert swept.world.registered == [(swept.job(1).id, outcome.best)]
    assert swept.world.deployed == [("default", "best")]


def test_a_sweep_of_which_nothing_succeeds_fails_and_says_why(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 21}, {"depth": 20})
    swept.jobs.cancel("default", swept.job(2).id)
    swept.world.end(swept.job(2))
    swept.world.tick(2)
    swept.search_ends()
    ended = swept.see()
    assert ended.state is State.FAILED
    assert ended.reason is not None
    assert ended.reason.code is Code.TRIALS_FAILED
    assert "None of 2 trials succeeded" in ended.reason.message
    assert "cancelled_by_user" in ended.reason.message


def test_a_deleted_sweep_takes_its_trials_with_it(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20}, {"depth": 32})
    _train(swept, 1, 12.0)
    succeed(swept.world.objects, swept.job(1).id, 1)
    swept.jobs.cancel("default", swept.job(2).id)
    swept.world.end(swept.job(2))
    swept.world.tick(2)
    trained = swept.job(1)
    swept.search_ends()
    swept.jobs.resume("default", swept.job(2).id)
    with pytest.raises(IllegalTransition, match=swept.job(2).id):
        swept.jobs.delete("default", swept.sweep.id)
    swept.jobs.cancel("default", swept.job(2).id)
    swept.world.tick(2)
    swept.jobs.delete("default", swept.sweep.id)
    assert swept.jobs.page("default").items == ()
    for _ in range(5):
        swept.world.clock.turn(10)
        swept.world.tick()
    left = [found.key for found in swept.world.objects.list("jobs/")]
    assert not any(trained.id in key or swept.sweep.id in key for key in left)


def test_a_finished_grid_takes_further_points(swept: SweepWorld) -> None:
    swept.begin()
    swept.propose({"depth": 20}, {"depth": 32})
    for number in (1, 2):
        _train(swept, number, 12.0)
        succeed(swept.world.objects, swept.job(number).id, 1)
    swept.search_ends()
    assert swept.see().state is State.SUCCEEDED
    with pytest.raises(Invalid, match="21 is none of them"):
        swept.jobs.resume("default", swept.sweep.id, More(points=({"depth": 21},)))
    with pytest.raises(Invalid, match="say which more"):
        swept.jobs.resume("default", swept.sweep.id, More(trials=3))
    wider = swept.jobs.resume("default", swept.sweep.id, More(points=({"depth": 44},)))
    assert isinstance(wider.spec, ResolvedSweep)
    assert (wider.state, wider.spec.trials) == (State.QUEUED, 3)
    assert wider.spec.point(3) == {"depth": 44}
    again = swept.jobs.resume("default", swept.sweep.id, More(points=({"depth": 44},)))
    assert again == wider
