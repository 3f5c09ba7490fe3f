"""The rollout brings Serve to what is wanted, and never takes away a version that serves."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from service.deployments.deployment import PENDING, Canary, Deployment, Desired, Replicas
from service.deployments.plan import ReplicaOptions
from service.deployments.rollout import FIRST_REST, STEADY, Rollout
from service.deployments.serve import Application, Seen, SeenApplication
from service.deployments.store import DeploymentStore
from service.errors import ClusterUnavailable
from service.models.store import ModelStore

START = datetime(2026, 1, 1, tzinfo=UTC)
V1, V2 = "default.digits.1", "default.digits.2"
CANARY = Canary(version=2, percent=10, replicas=Replicas(min=1, max=1))


@dataclass
class FakeServe:
    """Keeps what was applied; what becomes of it, the test says."""

    applications: dict[str, SeenApplication] = field(default_factory=dict)
    applied: list[list[str]] = field(default_factory=list)
    looks: int = 0
    away: bool = False
    routed: bool = True

    def look(self) -> Seen:
        self.looks += 1
        if self.away:
            raise ClusterUnavailable("Ray Serve does not answer.")
        return Seen(started=True, applications=dict(self.applications))

    def apply(self, applications: Sequence[Application]) -> None:
        if self.away:
            raise ClusterUnavailable("Ray Serve does not answer.")
        self.applied.append([application["name"] for application in applications])
        fresh = SeenApplication(status="DEPLOYING", message="", replicas=0, config={})
        self.applications = {
            application["name"]: replace(
                self.applications.get(application["name"], fresh), config=application
            )
            for application in applications
        }

    def answers(self, route: str) -> bool:
        return self.routed

    def becomes(self, name: str, status: str, *, message: str = "") -> None:
        found = self.applications[name]
        self.applications[name] = replace(found, status=status, message=message, replicas=1)


@dataclass
class World:
    """A rollout, with a clock that the test moves."""

    engine: Engine
    serve: FakeServe = field(default_factory=FakeServe)
    now: datetime = START

    def __post_init__(self) -> None:
        self.store = DeploymentStore(self.engine)
        self.rollout = self.fresh()

    def fresh(self) -> Rollout:
        """As after a restart of the service."""
        return Rollout(
            self.store, self.serve, ReplicaOptions("file:///objects", 0, 0), lambda: self.now
        )

    def ask(
        self,
        version: int | None = None,
        alias: str | None = None,
        most: int = 1,
        canary: Canary | None = None,
    ) -> None:
        replicas = Replicas(min=1, max=most)
        desired = Desired(version=version, alias=alias, replicas=replicas, canary=canary)
        self.now += timedelta(microseconds=1)
        self.store.ask("default", "digits", desired, actual=PENDING, at=self.now)

    def tick(self, times: int = 1) -> Deployment:
        for _ in range(times):
            self.now += timedelta(seconds=0.5)
            self.rollout.tick()
        return self.deployment()

    def deployment(self) -> Deployment:
        found = self.store.get("default", "digits")
        assert found
        return found

    def serving(self, version: int) -> Deployment:
        """Deploy a version and bring it to serve."""
        self.ask(version)
        self.tick()
        self.serve.becomes(f"default.digits.{version}", "RUNNING")
        return self.tick(3)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def test_a_version_serves_once_it_runs(world: World) -> None:
    world.ask(1)
    assert world.tick().state == "starting"
    assert world.serve.applied == [[V1]]
    world.serve.becomes(V1, "RUNNING")
    after = world.tick()
    assert (after.state, after.serving_version) == ("ready", 1)


def test_the_old_version_goes_only_in_the_tick_after_the_switch(world: World) -> None:
    world.serving(1)
    world.ask(2)
    assert world.tick().state == "updating"
    world.serve.becomes(V2, "RUNNING")
    assert world.tick().serving_version == 2
    assert world.serve.applied[-1] == [V1, V2]
    world.tick()
    assert world.serve.applied[-1] == [V2]


def test_a_version_that_no_request_reaches_does_not_serve_yet(world: World) -> None:
    world.serving(1)
    world.ask(2)
    world.tick()
    world.serve.becomes(V2, "RUNNING")
    world.serve.routed = False
    assert world.tick(3).serving_version == 1
    assert V1 in world.serve.applied[-1]


def test_a_bad_version_never_serves_and_the_old_one_goes_on(world: World) -> None:
    world.serving(1)
    world.ask(2)
    world.tick()
    world.serve.becomes(V2, "DEPLOY_FAILED", message="x.Damaged: weights are damaged")
    after = world.tick(3)
    assert (after.state, after.serving_version) == ("failed", 1)
    assert (
        after.message == "Version 2 did not start: weights are damaged. Version 1 goes on serving."
    )
    assert world.serve.applied[-1] == [V1]


def test_a_failed_version_is_tried_again_after_a_rest_that_grows(world: World) -> None:
    world.ask(1)
    rest = FIRST_REST
    for _ in range(3):
        world.tick()
        world.serve.becomes(V1, "DEPLOY_FAILED")
        world.tick(2)
        assert world.serve.applications == {}
        world.now += rest - timedelta(seconds=2)
        world.tick()
        assert world.serve.applications == {}
        world.now += STEADY
        world.tick()
        assert V1 in world.serve.applications
        rest *= 2


def test_asking_again_tries_a_failed_version_at_once(world: World) -> None:
    world.ask(1)
    world.tick()
    world.serve.becomes(V1, "DEPLOY_FAILED")
    world.tick(2)
    world.ask(1)
    assert world.tick().state == "starting"
    assert V1 in world.serve.applications


def test_a_silent_serve_changes_nothing(world: World) -> None:
    before = world.serving(1)
    world.serve.away = True
    world.now += timedelta(minutes=1)
    assert world.tick(20) == before
    world.serve.away = False
    world.now += STEADY
    assert world.tick() == before
    assert len(world.serve.applied) == 1


def test_an_empty_serve_gets_everything_back(world: World) -> None:
    world.serving(1)
    world.serve.applications = {}
    world.now += STEADY
    assert world.tick(2).state == "starting"
    world.serve.becomes(V1, "RUNNING")
    assert world.tick().state == "ready"


def test_a_deployment_follows_its_alias(world: World) -> None:
    models = ModelStore(world.engine)
    models.point("default", "digits", "best", 1, START)
    world.ask(alias="best")
    world.tick()
    world.serve.becomes(V1, "RUNNING")
    assert world.tick(2).serving_version == 1
    models.point("default", "digits", "best", 2, START)
    assert world.tick().state == "updating"
    world.serve.becomes(V2, "RUNNING")
    assert world.tick().serving_version == 2


def test_what_is_taken_down_goes(world: World) -> None:
    world.serving(1)
    world.store.delete("default", "digits")
    world.rollout.tick()
    assert world.serve.applications == {}


def test_what_was_asked_for_meanwhile_is_not_overwritten(world: World) -> None:
    world.ask(1)
    seen = replace(world.deployment(), serving_version=1)
    world.ask(2)
    assert not world.store.note(seen)
    assert world.deployment().serving_version is None


def test_nothing_is_applied_twice(world: World) -> None:
    world.serving(1)
    world.tick(50)
    world.rollout = world.fresh()
    world.tick(50)
    assert world.serve.applied == [[V1]]


def test_while_nothing_moves_serve_is_seldom_asked(world: World) -> None:
    world.serving(1)
    before = world.serve.looks
    world.tick(100)
    assert world.serve.looks - before == pytest.approx(50 / STEADY.total_seconds(), abs=1)


def test_more_replicas_are_the_same_application(world: World) -> None:
    world.serving(1)
    world.ask(1, most=4)
    after = world.tick()
    scale = world.serve.applications[V1].config["deployments"][0]["autoscaling_config"]
    assert scale["max_replicas"] == 4
    assert after.serving_version == 1


def test_a_canary_starts_beside_what_serves_and_is_ready_once_it_answers(world: World) -> None:
    world.serving(1)
    world.ask(1, canary=CANARY)
    world.serve.routed = False
    after = world.tick()
    assert (after.state, after.canary_state) == ("ready", "starting")
    assert world.serve.applied[-1] == [V1, V2]
    world.serve.becomes(V2, "RUNNING")
    assert world.tick().answering == (1,)
    world.serve.routed = True
    after = world.tick()
    assert (after.state, after.canary_state, after.answering) == ("ready", "ready", (1, 2))


def test_a_canary_that_fails_rests_longer_each_time_and_the_version_stays_ready(
    world: World,
) -> None:
    world.serving(1)
    world.ask(1, canary=CANARY)
    world.tick(2)
    rest = FIRST_REST
    for _ in range(3):
        world.serve.becomes(V2, "DEPLOY_FAILED", message="Damaged: it is not whole")
        after = world.tick(2)
        assert (after.state, after.canary_state, after.answering) == ("ready", "failed", (1,))
        assert after.canary_seen
        assert after.canary_seen.message == (
            "Version 2 did not start: it is not whole. Version 1 goes on serving."
        )
        assert world.serve.applied[-1] == [V1]
        world.now += rest
        world.tick()
        assert world.serve.applied[-1] == [V1, V2]
        rest *= 2


def test_a_canary_that_is_promoted_serves_without_a_new_start(world: World) -> None:
    world.serving(1)
    world.ask(1, canary=CANARY)
    world.tick()
    world.serve.becomes(V2, "RUNNING")
    world.tick()
    world.ask(2)
    after = world.tick(2)
    assert (after.serving_version, after.previous_version, after.canary_state) == (2, 1, None)
    assert world.serve.applied[-1] == [V2]


def test_a_canary_that_is_taken_away_goes_and_what_serves_stays(world: World) -> None:
    world.serving(1)
    world.ask(1, canary=CANARY)
    world.tick()
    world.serve.becomes(V2, "RUNNING")
    world.tick()
    world.ask(1)
    after = world.tick(2)
    assert (after.answering, after.canary_seen) == ((1,), None)
    assert world.serve.applied[-1] == [V1]
