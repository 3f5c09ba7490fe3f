"""Which applications should run follows from the deployments alone."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import get_args

import pytest

from service.deployments.deployment import PENDING, Actual, Deployment, Desired, Health, Replicas
from service.deployments.plan import ReplicaOptions, application_name, observe, wanted
from service.deployments.serve import SeenApplication
from trainer.contract.serving import APPLICATION, DEPLOYMENT, ReplicaArgs

OPTIONS = ReplicaOptions(store="file:///objects", cpus=2.5, gpus=0)
AT = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("NOT_STARTED", "DEPLOYING", "RUNNING", "UNHEALTHY", "DEPLOY_FAILED", "DELETING")


def deployment(
    target: int | None, serving: int | None = None, *, actual: Actual = PENDING
) -> Deployment:
    desired = Desired(version=target, alias=None, replicas=Replicas(min=1, max=3))
    return Deployment("default", "digits", desired, target, serving, actual, None, AT)


def seen(status: str, *, message: str = "", replicas: int = 1) -> SeenApplication:
    return SeenApplication(status=status, message=message, replicas=replicas, config={})


def names(*deployments: Deployment, resting: frozenset[str] = frozenset()) -> list[str]:
    return [app["name"] for app in wanted(deployments, resting=resting, options=OPTIONS)]


def test_an_application_says_all_that_a_replica_needs() -> None:
    (application,) = wanted([deployment(3)], resting=frozenset(), options=OPTIONS)
    assert application["name"] == "default.digits.3"
    assert application["route_prefix"] == "/default/digits/3"
    assert application["import_path"] == APPLICATION
    assert ReplicaArgs.model_validate(application["args"]) == ReplicaArgs(
        store="file:///objects",
        prefix="models/default/digits/000003",
        name="digits",
        version=3,
        threads=2,
    )
    (replica,) = application["deployments"]
    assert replica["name"] == DEPLOYMENT
    assert replica["ray_actor_options"] == {"num_cpus": 2.5, "num_gpus": 0}
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
        after = observe(deployment(2, serving), seen(status), answers=answers, resting=False)
        flips = status == "RUNNING" and answers
        assert after.serving_version == (2 if flips else serving)
        assert (after.state == "ready") == flips


def test_a_running_version_that_serves_stays_ready_without_being_asked() -> None:
    after = observe(deployment(2, 2), seen("RUNNING"), answers=False, resting=False)
    assert after.state == "ready"


def test_a_failure_is_told_in_the_replicas_own_last_words() -> None:
    trace = (
        "The deployment failed to start 1 times in a row. Error:\nTraceback (most recent call last):\n"
        "  File 'x.py', line 1\ntrainer.contract.manifest.Damaged: models/x is not what it was\n"
    )
    after = observe(
        deployment(2, 1), seen("DEPLOY_FAILED", message=trace), answers=False, resting=False
    )
    assert (after.state, after.serving_version) == ("failed", 1)
    assert after.message == (
        "Version 2 did not start: models/x is not what it was. Version 1 goes on serving."
    )


def test_a_version_that_serve_does_not_know_is_starting() -> None:
    failed = deployment(2, actual=Actual(health="failed", replicas=0))
    assert observe(failed, None, answers=False, resting=False).state == "starting"


def test_nothing_changes_while_a_version_rests() -> None:
    failed = deployment(2, 1, actual=Actual(health="failed", replicas=0))
    for application in (None, seen("DELETING"), seen("DEPLOY_FAILED")):
        assert observe(failed, application, answers=False, resting=True) == failed


@pytest.mark.parametrize("health", get_args(Health))
def test_only_the_version_that_serves_is_ever_ready(health: Health) -> None:
    for serving, replicas in product((None, 1, 2), (0, 1)):
        state = deployment(2, serving, actual=Actual(health=health, replicas=replicas)).state
        if state == "ready":
            assert serving == 2
        if state == "starting":
            assert serving != 1
