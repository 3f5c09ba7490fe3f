"""What Ray keeps for attempts that are over is given back, once it is certain that Ray itself does not."""

from service.cluster.cluster import Sighting
from service.lifecycle import State
from service.reconcile.loop import RESERVATIONS_EVERY
from tests.reconcile.world import World


def _look(world: World) -> list[str]:
    """The entrypoints of all submissions after one more look."""
    world.clock.turn(RESERVATIONS_EVERY.total_seconds())
    world.tick()
    return list(world.cluster.entrypoints.values())


def test_what_is_kept_at_two_looks_is_given_back(world: World) -> None:
    world.cluster.kept = {"bb": "job-1-1", "aa": "job-2-1"}
    assert _look(world) == []
    assert _look(world) == ["python -m trainer.release aa bb"]


def test_what_ray_gives_back_itself_is_its_own_affair(world: World) -> None:
    for group in ("aa", "bb", "cc"):
        world.cluster.kept = {group: "job-1-1"}
        assert _look(world) == []
    world.cluster.kept = {}
    assert _look(world) == []


def test_what_is_still_kept_is_given_back_again_by_another_submission(world: World) -> None:
    world.cluster.kept = {"aa": "job-1-1"}
    looks = [len(_look(world)) for _ in range(4)]
    assert looks == [0, 1, 1, 2]
    assert set(world.cluster.entrypoints.values()) == {"python -m trainer.release aa"}


def test_a_cluster_that_does_not_answer_keeps_nothing_from_being_given_back_later(
    world: World,
) -> None:
    world.cluster.kept = {"aa": "job-1-1"}
    _look(world)
    world.cluster.silent = True
    assert _look(world) == []
    world.cluster.silent = False
    assert _look(world) == ["python -m trainer.release aa"]


def test_what_an_attempt_needs_that_is_not_over_is_left_alone_whatever_ray_says(
    world: World,
) -> None:
    job = world.submit()
    world.tick()
    (submission,) = world.cluster.starts
    world.cluster.submissions[submission] = Sighting.RUNNING
    world.cluster.kept = {"aa": submission}
    for _ in range(3):
        assert len(_look(world)) == 1
    assert world.state(job) is State.STARTING
