"""What clients may ask of deployments through the API, and what they are told."""

from typing import Any

import pytest

from tests.serving.replicas import World

PATH = "/models/digits/deployment"


def put(world: World, status: int = 202, **body: Any) -> dict[str, Any]:
    answer = world.service.client.put(PATH, json=body)
    assert answer.status_code == status, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def back(world: World, status: int = 202) -> dict[str, Any]:
    answer = world.service.client.post(f"{PATH}/rollback")
    assert answer.status_code == status, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def test_a_canary_is_shown_as_it_is_wanted_and_as_it_is(world: World) -> None:
    shown = put(world, version=1, canary={"version": 2, "percent": 12.5})
    assert shown["desired"]["canary"] == {
        "version": 2,
        "percent": 12.5,
        "replicas": {"min": 1, "max": 1, "idle_s": 300},
    }
    expected = {
        "version": 2,
        "ensemble": None,
        "percent": 12.5,
        "state": "starting",
        "replicas": 0,
        "message": None,
    }
    assert shown["canary"] == expected
    world.try_out("digits", 1, canary=2, percent=12.5)
    shown = world.service.client.get(PATH).json()
    assert shown["canary"] == expected | {"state": "ready", "replicas": 1}
    assert put(world, version=1)["canary"] is None


def test_beside_a_canary_what_is_deployed_stays(world: World) -> None:
    shown = put(world, canary={"version": 2, "percent": 10})
    assert (shown["version"], shown["canary"]["version"]) == (1, 2)
    world.service.parts.models.point("default", "digits", "best", 1)
    put(world, alias="best")
    shown = put(world, canary={"version": 2, "percent": 10})
    assert (shown["desired"]["alias"], shown["version"]) == ("best", 1)


@pytest.mark.parametrize(
    ("body", "status", "at"),
    [
        ({"version": 1, "canary": {"version": 1, "percent": 5}}, 422, "canary.version"),
        ({"canary": {"version": 1, "percent": 5}}, 422, "canary.version"),
        ({"canary": {"version": 2, "percent": 101}}, 422, "canary.percent"),
        ({"canary": {"version": 2, "percent": -1}}, 422, "canary.percent"),
        ({"canary": {"version": 2}}, 422, "canary.percent"),
        ({"canary": {"version": 2, "percent": 5, "replicas": {"min": 0}}}, 422, "canary.replicas"),
        ({"replicas": {"min": -1}}, 422, "replicas.min"),
        ({"replicas": {"min": 0, "max": 0}}, 422, "replicas.max"),
        ({"replicas": {"min": 0, "idle_s": 0}}, 422, "replicas.idle_s"),
        ({"canary": {"version": 2, "percents": 5, "percent": 5}}, 422, "canary.percents"),
    ],
)  # fmt: skip
def test_a_canary_that_cannot_be_meant_is_refused(
    world: World, body: dict[str, Any], status: int, at: str
) -> None:
    (error,) = put(world, status, **body)["errors"]
    assert ".".join(error["loc"][1:]) == at


def test_a_canary_must_be_a_version_that_there_is(world: World) -> None:
    assert "no version 7" in put(world, 404, canary={"version": 7, "percent": 5})["detail"]


def test_a_canary_is_not_deleted(world: World) -> None:
    put(world, canary={"version": 2, "percent": 5})
    assert world.service.client.delete("/models/digits/versions/2").status_code == 409
    put(world, version=1)
    assert world.service.client.delete("/models/digits/versions/2").is_success


def test_a_rollback_first_takes_the_canary_away(world: World) -> None:
    put(world, canary={"version": 2, "percent": 5})
    shown = back(world)
    assert (shown["version"], shown["canary"], shown["desired"]["back_from"]) == (1, None, 2)
    assert back(world) == shown


def test_a_rollback_leads_to_the_version_that_served_before_and_no_further(world: World) -> None:
    world.deploy("digits", 2, serving=2, previous=1)
    shown = back(world)
    assert (shown["version"], shown["serving_version"], shown["state"]) == (1, 2, "updating")
    assert shown["desired"]["back_from"] == 2
    assert back(world) == shown
    assert put(world, version=2)["desired"]["back_from"] is None


def test_a_rollback_ends_an_update_that_has_not_come_through(world: World) -> None:
    world.deploy("digits", 2, serving=1)
    shown = back(world)
    assert (shown["version"], shown["serving_version"]) == (1, 1)


def test_without_a_version_before_there_is_nothing_to_go_back_to(world: World) -> None:
    assert "PUT /models/digits/deployment" in back(world, 409)["detail"]
    world.service.parts.deployments.take_down("default", "digits")
    back(world, 404)


def test_a_version_that_is_deleted_is_not_gone_back_to(world: World) -> None:
    world.deploy("digits", 2, serving=2, previous=1)
    assert world.service.client.delete("/models/digits/versions/1").is_success
    assert "no version 1" in back(world, 404)["detail"]


def test_a_deployment_may_have_no_replica_while_nobody_asks(world: World) -> None:
    shown = put(world, replicas={"min": 0, "idle_s": 60})
    assert shown["desired"]["replicas"] == {"min": 0, "max": 1, "idle_s": 60}
    assert put(world, replicas={"min": 0, "max": 4})["desired"]["replicas"]["max"] == 4
