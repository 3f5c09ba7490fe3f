"""Which door a request takes, by what was heard of them and what became of others."""

from contextlib import ExitStack

import pytest

from service.deployments import answering
from service.deployments.deployment import (
    PENDING,
    Canary,
    CanarySeen,
    Deployment,
    Desired,
    Replicas,
)
from service.predict.doors import SHUT_S, VERSIONS, Doors, Whose
from tests.serving.replicas import AT
from trainer.contract.doors import Door

ONE: Whose = ("default", "digits", 1)
A, B = (Door("127.0.0.1", port, f"key-{port}") for port in (21_000, 21_001))


class World:
    """Doors, and a clock that stands still."""

    def __init__(self, *heard: Door) -> None:
        self.now = 0.0
        self.doors = Doors(clock=lambda: self.now)
        for door in heard:
            self.hear(door)

    def hear(self, door: Door, whose: Whose = ONE) -> None:
        self.doors.hear(whose, door.said)

    def chosen(self, replicas: int = 1, whose: Whose = ONE) -> Door | None:
        with self.doors.one_of(whose, replicas) as door:
            return door


def test_how_many_replicas_a_version_has_is_known_where_it_does_not_follow_the_load() -> None:
    canary = Canary(version=2, percent=10, replicas=Replicas(min=3, max=3))
    for replicas, steady in ((Replicas(min=2, max=2), 2), (Replicas(min=1, max=2), 0)):
        desired = Desired(version=1, alias=None, replicas=replicas, canary=canary)
        running = CanarySeen(version=2, health="running", replicas=3, message=None)
        found = Deployment("default", "digits", desired, 1, 1, PENDING, None, AT, running)
        assert answering.who(found, 1).steady == steady
        assert answering.who(found, 2).steady == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "fd00::1"])
def test_a_door_is_understood_as_it_was_said(host: str) -> None:
    door = Door(host, 21_000, "key")
    assert Door.heard(door.said) == door
    assert door.url == ("http://127.0.0.1:21000" if "." in host else "http://[fd00::1]:21000")


@pytest.mark.parametrize("said", ["", "127.0.0.1 21000", "127.0.0.1 x key", "a 1 key more"])
def test_what_is_no_door_is_not_heard(said: str) -> None:
    world = World()
    world.doors.hear(ONE, said)
    assert world.chosen() is None


def test_a_door_is_taken_once_all_replicas_of_the_version_have_told_of_theirs() -> None:
    world = World()
    assert world.chosen() is None
    world.hear(A)
    assert world.chosen(replicas=1) == A
    assert world.chosen(replicas=2) is None
    world.hear(B)
    assert world.chosen(replicas=2) in (A, B)


def test_no_door_is_taken_where_the_number_of_replicas_is_not_known() -> None:
    assert World(A).chosen(replicas=0) is None


def test_a_door_is_of_one_version() -> None:
    world = World(A)
    assert world.chosen(whose=("default", "digits", 2)) is None
    assert world.chosen(whose=("other", "digits", 1)) is None


def test_the_door_that_is_asked_least_is_next() -> None:
    world = World(A, B)
    for door in (A, B):
        world.doors.prove(ONE, door)
    with ExitStack() as asking:
        taken = [asking.enter_context(world.doors.one_of(ONE, 2)) for _ in range(10)]
        assert (taken.count(A), taken.count(B)) == (5, 5)
    assert world.chosen(replicas=2) == A


def test_a_new_door_is_tried_by_one_request_until_it_has_led_to_an_answer() -> None:
    world = World(A)
    with world.doors.one_of(ONE, 1) as first:
        assert first == A
        assert world.chosen() is None
        world.doors.prove(ONE, A)
        assert world.chosen() == A


def test_a_door_that_failed_is_taken_again_when_it_is_heard_of_again() -> None:
    world = World(A)
    world.doors.forget(ONE, A, shut=False)
    assert world.chosen() is None
    world.hear(A)
    assert world.chosen() == A


def test_a_door_to_which_there_is_no_way_is_not_tried_again_for_a_while() -> None:
    world = World(A)
    world.doors.forget(ONE, A, shut=True)
    world.hear(A)
    assert world.chosen() is None
    world.hear(B)
    assert world.chosen() == B
    world.now = SHUT_S + 1
    world.doors.forget(ONE, B, shut=False)
    world.hear(A)
    assert world.chosen() == A


def test_doors_of_versions_that_came_and_went_are_not_kept_for_ever() -> None:
    world = World()
    for number in range(VERSIONS + 1):
        world.hear(A, ("default", "digits", number))
    assert world.chosen(whose=("default", "digits", 0)) is None
    assert world.chosen(whose=("default", "digits", VERSIONS)) == A
