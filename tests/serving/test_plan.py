"""Which applications should run follows from the deployments alone."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args

import pytest

from service.deployments.deployment import (
    PENDING,
    Actual,
    Canary,
    CanarySeen,
    Deployment,
    Desired,
    Health,
    Replicas,
)
from service.deployments.plan import (
    Look,
    ReplicaOptions,
    application_name,
    observe,
    observe_canary,
    wanted,
)
from service.deployments.serve import SeenApplication
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.serving import APPLICATION, DEPLOYMENT, ReplicaArgs

OPTIONS = ReplicaOptions(store="file:///objects", cpus=2.5, gpus=0, max_bytes=1000)
AT = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("NOT_STARTED", "DEPLOYING", "RUNNING", "UNHEALTHY", "DEPLOY_FAILED", "DELETING")


def deployment(
    target: int | None, serving: int | None = None, *, actual: Actual = PENDING
) -> Deployment:
    desired = Desired(version=target, alias=None, replicas=Replicas(min=1, max=3))
    return Deployment("default", "digits", desired, target, serving, actual, None, AT)


def seen(status: str, *, message: str = "", replicas: int = 1) -> SeenApplication:
    return SeenApplication(status=status, message=message, replicas=replicas, config={})


def look(
    application: SeenApplication | None, *, answers: bool = False, resting: bool = False
) -> Look:
    return Look("default.digits.2", application, answers, resting)


def names(*deployments: Deployment, resting: frozenset[str] = frozenset()) -> list[str]:
    return [app["name"] for app in wanted(deployments, resting=resting, options=OPTIONS)]


def test_an_application_says_all_that_a_replica_needs() -> None:
    (application,) = wanted([deployment(3)], resting=frozenset(), options=OPTIONS)
    assert application["name"] == "default.digits.3"
    assert application["route_prefix"] == "/default/digits/3"
    assert application["import_path"] == APPLICATION
    assert ReplicaArgs.model_validate(application["args"]) == ReplicaArgs(
        store="file:///objects",
        name="digits",
        version=3,
        members=(EvaluatedModel(name="digits", version=3, prefix="models/default/digits/000003"),),
        threads=2,
        max_bytes=1000,
    )
    (replica,) = application["deployments"]
    assert replica["name"] == DEPLOYMENT
    assert replica["ray_actor_options"] == {"num_cpus": 2.5, "num_gpus": 0, "memory": 1}
    assert replica["autoscaling_config"]["min_replicas"] == 1
    assert replica["autoscaling_config"]["max_replicas"] == 3


def test_a_replica_has_the_threads_it_reserves_and_without_a_reservation_all() -> None:
    for cpus, threads in ((0, 0), (0.5, 1), (1, 1), (4, 4)):
        options = replace(OPTIONS, cpus=cpus, engine="openvino-f32")
        (application,) = wanted([deployment(1)], resting=frozenset(), options=options)
        args = ReplicaArgs.model_validate(application["args"])
        assert (args.threads, args.engine) == (threads, "openvino-f32")


def test_the_old_version_runs_until_the_new_one_serves() -> None:
    assert names(deployment(1)) == ["default.digits.1"]
    assert names(deployment(2, serving=1)) == ["default.digits.1", "default.digits.2"]
    assert names(deployment(2, serving=2)) == ["default.digits.2"]


def test_a_resting_version_is_left_out_and_the_old_one_is_not() -> None:
    resting = frozenset({application_name("default", "digits", 2)})
    assert names(deployment(2, serving=1), resting=resting) == ["default.digits.1"]


def test_a_deployment_whose_alias_is_gone_keeps_what_serves() -> None:
    assert names(deployment(None, serving=1)) == ["default.digits.1"]
    assert names(deployment(None)) == []


def test_a_version_serves_only_when_it_runs_and_answers() -> None:
    for status, answers, serving in product(STATUSES, (True, False), (None, 1)):
        after = observe(deployment(2, serving), look(seen(status), answers=answers))
        flips = status == "RUNNING" and answers
        assert after.serving_version == (2 if flips else serving)
        assert after.previous_version == (1 if flips and serving else None)
        assert (after.state == "ready") == flips


def test_a_failure_is_told_in_the_replicas_own_last_words() -> None:
    trace = (
        "The deployment failed to start 1 times in a row. Error:\nTraceback (most recent call last):\n"
        "  File 'x.py', line 1\ntrainer.contract.manifest.Damaged: models/x is not what it was\n"
    )
    after = observe(deployment(2, 1), look(seen("DEPLOY_FAILED", message=trace)))
    assert (after.state, after.serving_version) == ("failed", 1)
    assert after.message == (
        "Version 2 did not start: models/x is not what it was. Version 1 goes on serving."
    )


def test_a_version_that_serve_does_not_know_is_starting() -> None:
    failed = deployment(2, actual=Actual(health="failed", replicas=0))
    assert observe(failed, look(None)).state == "starting"


def test_nothing_changes_while_a_version_rests() -> None:
    failed = deployment(2, 1, actual=Actual(health="failed", replicas=0))
    for application in (None, seen("DELETING"), seen("DEPLOY_FAILED")):
        assert observe(failed, look(application, resting=True)) == failed


@pytest.mark.parametrize("health", get_args(Health))
def test_only_the_version_that_serves_is_ever_ready(health: Health) -> None:
    for serving, replicas in product((None, 1, 2), (0, 1)):
        state = deployment(2, serving, actual=Actual(health=health, replicas=replicas)).state
        if state == "ready":
            assert serving == 2
        if state == "starting":
            assert serving != 1


def with_canary(target: int, serving: int | None, **known: Any) -> Deployment:
    """Version 3 is the canary, for a quarter of the requests."""
    made = deployment(target, serving)
    canary = Canary(version=3, percent=25, replicas=Replicas(min=2, max=2))
    return replace(made, desired=made.desired.model_copy(update={"canary": canary}), **known)


def canary_seen(health: Health, version: int = 3) -> CanarySeen:
    return CanarySeen(version=version, health=health, replicas=1, message=None)


def test_a_canary_runs_beside_what_serves_with_replicas_of_its_own() -> None:
    assert names(with_canary(2, 1)) == ["default.digits.1", "default.digits.2", "default.digits.3"]
    *_, canary = wanted([with_canary(2, 2)], resting=frozenset(), options=OPTIONS)
    assert canary["deployments"][0]["autoscaling_config"]["min_replicas"] == 2
    # The version that serves is to become the canary: it keeps its replicas until another serves.
    before, _ = wanted([with_canary(2, 3)], resting=frozenset(), options=OPTIONS)
    assert before["deployments"][0]["autoscaling_config"]["max_replicas"] == 3


def test_a_canary_that_an_alias_has_come_to_mean_is_none() -> None:
    promoted = with_canary(3, 2, canary_seen=canary_seen("running"))
    assert (promoted.canary, promoted.canary_state, promoted.answering) == (None, None, (2,))
    assert names(promoted) == ["default.digits.2", "default.digits.3"]


def test_a_canary_gets_its_share_only_while_it_is_seen_to_run() -> None:
    dice = [i / 100 for i in range(100)]
    for health in get_args(Health):
        found = with_canary(2, 2, canary_seen=canary_seen(health))
        chosen = [found.chosen(each) for each in dice]
        assert chosen.count(3) == (25 if health == "running" else 0)
        assert chosen.count(2) == 100 - chosen.count(3)
    of_another = with_canary(2, 2, canary_seen=canary_seen("running", version=9))
    assert {of_another.chosen(each) for each in dice} == {2}
    nothing_serves = with_canary(2, None, canary_seen=canary_seen("running"))
    assert {nothing_serves.chosen(each) for each in dice} == {None}


def test_whatever_becomes_of_a_canary_the_version_that_serves_goes_on() -> None:
    states = dict.fromkeys(STATUSES, "starting")
    states |= {"RUNNING": "ready", "UNHEALTHY": "unhealthy", "DEPLOY_FAILED": "failed"}
    for known, status in product((None, *map(canary_seen, get_args(Health))), STATUSES):
        before = with_canary(2, 2, canary_seen=known)
        after = observe_canary(before, look(seen(status, message="Oops: x"), answers=True))
        assert (after.canary_state, after.serving_version) == (states[status], 2)
        assert after.actual == before.actual
        shown = after.canary_seen
        assert shown
        assert bool(shown.message) == (states[status] in ("failed", "unhealthy"))
    assert "Version 2 goes on serving." in str(
        observe_canary(with_canary(2, 2), look(seen("DEPLOY_FAILED"))).canary_seen
    )


def test_a_version_that_was_rolled_back_is_not_gone_back_to() -> None:
    rolled = deployment(1, 2)
    rolled = replace(rolled, desired=rolled.desired.model_copy(update={"back_from": 2}))
    assert observe(rolled, look(seen("RUNNING"), answers=True)).previous_version is None


def test_a_deployment_that_may_have_no_replica_starts_with_one_and_is_idle_without() -> None:
    made = deployment(2, 2, actual=Actual(health="running", replicas=1))
    none = Replicas(min=0, max=2, idle_s=60)
    made = replace(made, desired=made.desired.model_copy(update={"replicas": none}))
    (application,) = wanted([made], resting=frozenset(), options=OPTIONS)
    scale = application["deployments"][0]["autoscaling_config"]
    assert (scale["min_replicas"], scale["initial_replicas"], scale["max_replicas"]) == (0, 1, 2)
    assert scale["downscale_to_zero_delay_s"] == 60
    after = observe(made, look(seen("RUNNING", replicas=0)))
    assert after.state == "starting"
    after = observe(made, look(seen("RUNNING", replicas=0), answers=True))
    assert (after.state, after.answering) == ("idle", (2,))
    assert observe(replace(made, serving_version=None), look(None)).state == "starting"
