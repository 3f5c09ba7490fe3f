"""Brings Ray Serve from what runs to what should. The reconciler ticks it, in one process at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from service.deployments import plan
from service.deployments.deployment import Deployment
from service.deployments.plan import Look, ReplicaOptions
from service.deployments.serve import Application, Seen, Serve
from service.deployments.store import DeploymentStore
from service.errors import ClusterUnavailable

STEADY = timedelta(seconds=5)
"""Between two looks at Serve while nothing moves; what is asked for is acted upon at once."""
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)


@dataclass(frozen=True)
class Rest:
    """A version that failed to start is left alone for a while, each time twice as long."""

    asked_at: datetime
    until: datetime
    length: timedelta


@dataclass
class Rollout:
    """Deployments → Serve. What it remembers may be lost: then a failed version is tried sooner."""

    store: DeploymentStore
    serve: Serve
    options: ReplicaOptions
    clock: Callable[[], datetime]
    _rests: dict[str, Rest] = field(default_factory=dict)
    _looked_at: list[Deployment] = field(default_factory=list)
    _next_look: datetime | None = None

    def tick(self) -> None:
        """Look, note, act. A Serve that does not answer changes nothing."""
        deployments, now = self.store.all(), self.clock()
        if self._next_look and now < self._next_look and deployments == self._looked_at:
            return
        # If Serve is silent, not at once again: a call that times out keeps jobs waiting.
        self._looked_at, self._next_look = deployments, now + STEADY
        try:
            seen = self.serve.look()
            noted = [self._note(deployment, seen, now) for deployment in deployments]
            # From what was true before this look: a version that serves from now on replaces the
            # old one in the next tick, when no request can be on its way to that any more.
            changed = self._act(deployments, seen, now)
        except ClusterUnavailable as error:
            structlog.get_logger().warning("serve_silent", why=error.message)
            return
        moving = any(
            each.state in ("starting", "updating") or each.canary_state == "starting"
            for each in noted
        )
        if changed or moving or noted != deployments:
            self._next_look = None

    def _note(self, before: Deployment, seen: Seen, now: datetime) -> Deployment:
        after = self._look_at_canary(self._look_at_target(before, seen, now), seen, now)
        if after != before and self.store.note(after):
            structlog.get_logger().info(
                "deployment",
                model=f"{after.project}.{after.name}",
                state=after.state,
                canary=after.canary_state,
                message=after.message,
            )
        return after

    def _look_at_target(self, before: Deployment, seen: Seen, now: datetime) -> Deployment:
        if before.target is None:
            return before
        waits = before.serving_version != before.target
        look = self._look(before, before.target, seen, now, waits=waits)
        after = plan.observe(before, look)
        well = after.state in ("ready", "idle")
        self._learn(look, before, now, failed=after.state == "failed", well=well)
        return after

    def _look_at_canary(self, before: Deployment, seen: Seen, now: datetime) -> Deployment:
        if before.canary is None:
            return replace(before, canary_seen=None)
        waits = before.canary_state != "ready"
        look = self._look(before, before.canary.version, seen, now, waits=waits)
        after = plan.observe_canary(before, look)
        state = after.canary_state
        self._learn(look, before, now, failed=state == "failed", well=state == "ready")
        return after

    def _look(
        self, deployment: Deployment, version: int, seen: Seen, now: datetime, *, waits: bool
    ) -> Look:
        """`waits`: that it answers has yet to be seen."""
        key = deployment.project, deployment.name, version
        application = seen.applications.get(plan.application_name(*key))
        running = application is not None and application.status == "RUNNING"
        return Look(
            name=plan.application_name(*key),
            application=application,
            answers=not waits or (running and self.serve.answers(plan.route(*key))),
            resting=self._resting(plan.application_name(*key), deployment, now),
        )

    def _learn(
        self, look: Look, deployment: Deployment, now: datetime, *, failed: bool, well: bool
    ) -> None:
        if failed and not look.resting:
            self._rest(look.name, deployment, now)
        elif well:
            self._rests.pop(look.name, None)

    def _act(self, deployments: list[Deployment], seen: Seen, now: datetime) -> bool:
        resting = {name for name, rest in self._rests.items() if now < rest.until}
        applications = plan.wanted(deployments, resting=resting, options=self.options)
        if seen.started and _same(applications, seen):
            return False
        self.serve.apply(applications)
        return True

    def _resting(self, name: str, deployment: Deployment, now: datetime) -> bool:
        """Asking again ends a rest."""
        rest = self._rests.get(name)
        if rest and rest.asked_at != deployment.changed_at:
            del self._rests[name]
            return False
        return rest is not None and now < rest.until

    def _rest(self, name: str, deployment: Deployment, now: datetime) -> None:
        before = self._rests.get(name)
        length = min(before.length * 2, LONGEST_REST) if before else FIRST_REST
        self._rests[name] = Rest(deployment.changed_at, now + length, length)


def _same(applications: list[Application], seen: Seen) -> bool:
    running = {
        name: found.config
        for name, found in seen.applications.items()
        if found.config and found.status != "DELETING"
    }
    return running == {application["name"]: application for application in applications}
