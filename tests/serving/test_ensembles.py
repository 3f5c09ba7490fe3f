"""An ensemble is deployed, tried, rolled back and taken down as a model is, under a name of its own."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from service.deployments.deployment import Actual, Deployment
from service.deployments.ensembles import EnsembleStore
from service.deployments.plan import ReplicaOptions, wanted
from service.models.store import ModelVersion
from tests.serving.replicas import AT, World
from tests.serving.versions import meta
from trainer.contract import archs
from trainer.contract.serving import Member, ReplicaArgs

PATH = "/models/best/deployment"
BOTH = [{"model": "digits", "version": 1}, {"model": "other"}]


@pytest.fixture
def both(world: World) -> World:
    """Two models whose classes are the same."""
    world.register("other", 1, 2)
    return world


def put(world: World, status: int = 202, **body: Any) -> dict[str, Any]:
    answer = world.service.client.put(PATH, json=body)
    assert answer.status_code == status, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def serves(world: World, version: int) -> Deployment:
    """As the rollout would have noted it."""
    store = world.service.parts.deployments.store
    found = store.get("default", "best")
    assert found
    running = Actual(health="running", replicas=1)
    before = found.serving_version
    store.note(replace(found, serving_version=version, previous_version=before, actual=running))
    seen = store.get("default", "best")
    assert seen
    return seen


def test_its_members_are_versions_for_good_and_shown(both: World) -> None:
    shown = put(both, ensemble=BOTH)
    members = [{"model": "digits", "version": 1}, {"model": "other", "version": 2}]
    assert (shown["model"], shown["version"], shown["ensemble"]) == ("best", 1, members)
    both.register("other", 3)
    assert both.service.client.get(PATH).json()["ensemble"] == members
    assert put(both, ensemble=members)["version"] == 1
    shown = put(both, ensemble=BOTH)
    assert (shown["version"], shown["ensemble"][1]["version"]) == (2, 3)


def test_one_replica_holds_all_members(both: World) -> None:
    put(both, ensemble=BOTH)
    found = both.service.parts.deployments.get("default", "best")
    (application,) = wanted([found], resting=frozenset(), options=ReplicaOptions("file:///", 0, 0))
    assert application["route_prefix"] == "/default/best/1"
    args = ReplicaArgs.model_validate(application["args"])
    assert (args.name, args.version, args.ensemble) == ("best", 1, True)
    assert [(each.name, each.version, each.prefix) for each in args.members] == [
        ("digits", 1, "models/default/digits/000001"),
        ("other", 2, "models/default/other/000002"),
    ]


def test_it_is_asked_by_its_name_as_a_model_is(both: World) -> None:
    put(both, ensemble=BOTH, protocol="10-crop")
    serves(both, 1)
    assert both.ask("?model=best&version=1").json()["version"] == 1
    assert both.asked[-1].url.path == "/default/best/1/predict"
    assert both.asked[-1].url.params["protocol"] == "10-crop"
    assert both.ask("?model=best&protocol=center").is_success
    assert both.asked[-1].url.params["protocol"] == "center"
    shown = both.service.client.get("/v2/models/best").json()
    assert shown["outputs"][0]["shape"] == [-1, 10]


def test_another_ensemble_is_tried_on_a_share_promoted_and_rolled_back(both: World) -> None:
    put(both, ensemble=BOTH)
    serves(both, 1)
    other = [{"model": "digits", "version": 2}, {"model": "other", "version": 1}]
    shown = put(both, canary={"ensemble": other, "percent": 10})
    assert (shown["version"], shown["canary"]["version"]) == (1, 2)
    assert shown["canary"]["ensemble"] == other
    assert put(both, version=2)["canary"] is None
    serves(both, 2)
    shown = both.service.client.post(f"{PATH}/rollback").json()
    assert (shown["version"], shown["desired"]["back_from"]) == (1, 2)
    assert both.service.client.delete(PATH).status_code == 202
    assert both.ask("?model=best").status_code == 404
    assert put(both)["version"] == 2  # the newest


@pytest.mark.parametrize(
    "job",
    [
        {"arch": "resnet8"},
        {"kind": "sweep", "space": {"arch": ["resnet8"], "seed": [0, 1]}},
    ],
)
def test_no_training_is_begun_for_its_name(both: World, job: dict[str, Any]) -> None:
    asked = {"dataset": "digits", "epochs": 1, "register_as": "best"} | job
    assert both.service.client.post("/jobs?dry_run=true", json=asked).status_code == 200
    put(both, ensemble=BOTH)
    answer = both.service.client.post("/jobs", json=asked)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "register_as"])
    assert "another" in answer.json()["detail"]


def test_a_member_is_not_deleted_while_its_ensemble_is_deployed(both: World) -> None:
    both.service.parts.deployments.take_down("default", "digits")
    put(both, ensemble=BOTH)
    client = both.service.client
    for path, status in (
        ("/models/digits/versions/1", 409),
        ("/models/other/versions/2", 409),
        ("/models/other/versions/1", 204),
    ):
        assert client.delete(path).status_code == status, path
    serves(both, 1)
    put(both, ensemble=[{"model": "digits", "version": 2}, {"model": "other", "version": 2}])
    assert client.delete("/models/digits/versions/1").status_code == 409  # it serves still
    serves(both, 2)
    assert client.delete("/models/digits/versions/1").status_code == 204
    detail = client.put(PATH, json={"version": 1}).json()["detail"]
    assert "'digits' has no version 1" in detail


@pytest.mark.parametrize(
    ("body", "at", "hint"),
    [
        ({"ensemble": [{"model": "digits"}]}, "ensemble", "at least 2 items"),
        ({"ensemble": BOTH * 9}, "ensemble", "at most 16 items"),
        ({"ensemble": [*BOTH, {"model": "no"}]}, "ensemble", "There is no model 'no'"),
        ({"ensemble": [*BOTH, {"model": "other", "version": 9}]}, "ensemble", "no version 9"),
        ({"ensemble": BOTH, "version": 1}, "", "give either 'version', 'alias' or 'ensemble'"),
        ({"ensemble": BOTH, "protocol": "crops"}, "protocol", "'10-crop'"),
        ({"ensemble": BOTH, "canary": {"percent": 1}}, "canary", "either 'version' or 'ensemble'"),
    ],
)
def test_what_cannot_be_averaged_is_refused(
    both: World, body: dict[str, Any], at: str, hint: str
) -> None:
    shown = put(both, 422, **body)
    (error,) = shown["errors"]
    assert ".".join(error["loc"][1:]) == at
    assert hint in shown["detail"]


def test_members_must_know_the_same_classes(both: World) -> None:
    odd = meta("job-1").model_copy(update={"class_names": ("cat", "dog")})
    both.service.parts.models.store.insert(ModelVersion("default", "pets", 1, "p", odd, AT))
    detail = put(both, 422, ensemble=[{"model": "digits"}, {"model": "pets"}])["detail"]
    assert "'pets:1' knows the classes cat, dog" in detail
    assert "name models of the same classes" in detail


def test_a_protocol_must_suit_every_member(both: World) -> None:
    fixed = meta("job-1").model_copy(update={"architecture": archs.resolve("maxout")})
    both.service.parts.models.store.insert(ModelVersion("default", "fixed", 1, "p", fixed, AT))
    members = [{"model": "digits"}, {"model": "fixed"}]
    assert put(both, ensemble=members, protocol="10-crop")["desired"]["protocol"] == "10-crop"
    shown = put(both, 422, ensemble=members, protocol="multi-scale")
    assert "choose center or 10-crop" in shown["detail"]


def test_a_name_is_a_models_or_an_ensembles(both: World) -> None:
    answer = both.service.client.put("/models/digits/deployment", json={"ensemble": BOTH})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_taken")
    put(both, ensemble=BOTH)
    assert put(both, 422, alias="best")["errors"][0]["loc"] == ["body", "alias"]
    assert "has no version 7; it has 1" in put(both, 404, version=7)["detail"]
    assert both.service.parts.models.store.is_ensemble("default", "best")


def test_a_number_is_never_given_to_other_members(engine: Engine) -> None:
    store = EnsembleStore(engine)
    one, two = (Member(model="a", version=n) for n in (1, 2))
    assert store.number("default", "best", (one, two)) == 1
    assert store.number("default", "best", (two, one)) == 2
    assert store.number("default", "best", (one, two)) == 1
    assert store.number("other", "best", (two, one)) == 1
    assert store.of_name("default", "best") == {1: (one, two), 2: (two, one)}
