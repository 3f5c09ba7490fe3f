"""Requests that a version has not answered when another one takes over."""

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from service.predict import waiting
from tests.serving.replicas import World

FOR_EVER_S = 3600.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOKS_EVERY_S", 0.02)
    monkeypatch.setattr(waiting, "ENDS_WITHIN_S", 0.2)


def _takes(world: World, first_s: float, *, then_deploys: int | None = None) -> None:
    """Version 1 takes so long; while it does, another version takes over, or (0) none is deployed."""

    def takes_s(request: httpx.Request) -> float:
        if "/1/" not in request.url.path:
            return 0.0
        if then_deploys:
            world.deploy("digits", then_deploys, serving=then_deploys)
        elif then_deploys == 0:
            world.service.parts.deployments.store.delete("default", "digits")
        return first_s

    world.takes_s = takes_s


def test_the_version_that_takes_over_answers_what_the_other_leaves_waiting(world: World) -> None:
    _takes(world, FOR_EVER_S, then_deploys=2)
    assert world.ask().json()["version"] == 2
    assert len(world.asked) == 2


def test_a_version_that_is_taken_away_still_answers_what_it_computes(world: World) -> None:
    _takes(world, 0.1, then_deploys=2)
    assert world.ask().json()["version"] == 1
    assert len(world.asked) == 1


def test_a_version_that_goes_on_serving_is_waited_for(world: World) -> None:
    _takes(world, 0.5)
    assert world.ask().json()["version"] == 1
    assert len(world.asked) == 1


@pytest.mark.parametrize(("query", "deploys"), [("?version=1", 2), ("", 0)])
def test_what_is_not_deployed_any_more_is_not_found(world: World, query: str, deploys: int) -> None:
    _takes(world, FOR_EVER_S, then_deploys=deploys)
    answer = world.ask(query)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_database_that_is_away_takes_no_version_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.service.parts.deployments.store

    def away(_: str) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    def takes_s(_: httpx.Request) -> float:
        world.deploy("digits", 2, serving=2)
        monkeypatch.setattr(type(store), "of_project", lambda _, project: away(project))
        return 0.5

    world.takes_s = takes_s
    assert world.ask().json()["version"] == 1
