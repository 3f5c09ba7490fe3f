"""Deployments as clients see them: ask for one, look at it, roll it back, take it down, find who answers."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from service.deployments.deployment import PENDING, Canary, Deployment, Desired, Replicas
from service.deployments.store import DeploymentStore
from service.errors import Conflict, Invalid, ModelUnavailable, NotFound
from service.models.service import Models

NOT_THE_CANARY = 1.0
"""Dice that lead to the version that serves, whatever the canary's share."""


@dataclass(frozen=True)
class Deployments:
    """What can be done with deployments. Knows no HTTP, no SQL and no Ray."""

    store: DeploymentStore
    models: Models
    clock: Callable[[], datetime]

    def ask(  # noqa: PLR0913 - one parameter for each field of the body
        self,
        project: str,
        name: str,
        *,
        version: int | None,
        alias: str | None,
        replicas: Replicas,
        canary: Canary | None = None,
    ) -> Deployment:
        """Let a version serve, or whatever version an alias means. Default: the newest; beside a
        canary, what is deployed already. Asking again changes nothing, but that a version that failed
        is tried again. Raises NotFound, or Invalid for a canary that is to serve anyway."""
        before = self.store.get(project, name)
        if canary and version is None and alias is None and before:
            version, alias = before.desired.version, before.desired.alias
        if alias is not None:
            target = self.models.aliased(project, name, alias)
        elif version is not None:
            target = self.models.version(project, name, version).version
        else:
            target = version = self.models.get(project, name).versions[0].version
        if canary:
            self._check(project, name, canary, target)
        desired = Desired(version=version, alias=alias, replicas=replicas, canary=canary)
        self._want(project, name, desired, before)
        return self.get(project, name)

    def roll_back(self, project: str, name: str) -> Deployment:
        """Without the canary, if there is one; else to the version that serves while another is
        starting; else to the one that served before. A second call changes nothing. Raises NotFound,
        or Conflict when there is nothing to go back to."""
        found = self.get(project, name)
        if found.canary:
            gone = found.canary.version
            desired = found.desired.model_copy(update={"canary": None, "back_from": gone})
        elif found.desired.back_from is not None:
            return found
        else:
            desired = self._before(found)
        self._want(project, name, desired, found)
        return self.get(project, name)

    def deploy_newest(self, project: str, name: str) -> None:
        """Let a model's newest version serve, if it has one."""
        with suppress(NotFound):
            self.ask(project, name, version=None, alias=None, replicas=Replicas(min=1, max=1))

    def get(self, project: str, name: str) -> Deployment:
        """Raises NotFound, which says how to deploy."""
        found = self.store.get(project, name)
        if found is None:
            raise _not_deployed(name)
        return found

    def all(self, project: str) -> list[Deployment]:
        """By name."""
        return self.store.of_project(project)

    def take_down(self, project: str, name: str) -> None:
        """It answers no more; its replicas end within seconds. Raises NotFound."""
        if not self.store.delete(project, name):
            raise _not_deployed(name)

    def answering(
        self,
        project: str,
        name: str | None,
        *,
        version: int | None,
        alias: str | None,
        dice: float = NOT_THE_CANARY,
    ) -> tuple[str, int]:
        """Model and version that answer a prediction now; `dice`, from 0 to below 1, decide whether
        that is the canary, unless a version is asked for. Raises NotFound, Invalid if `name` is left
        out and not exactly one is deployed, or ModelUnavailable while it starts."""
        found = self.get(project, name) if name else self._only(project)
        if alias is not None:
            version = self.models.aliased(project, found.name, alias)
        if version is None:
            chosen = found.chosen(dice)
            if chosen is None:
                raise ModelUnavailable(_not_yet(found, found.target, found.message))
            return found.name, chosen
        if version in found.answering:
            return found.name, version
        if found.canary and version == found.canary.version:
            seen = found.canary_seen
            raise ModelUnavailable(_not_yet(found, version, seen.message if seen else None))
        if version == found.target:
            raise ModelUnavailable(_not_yet(found, version, found.message))
        raise NotFound(
            f"Version {version} of '{found.name}' is not deployed, version {found.target} is; "
            f"PUT /models/{found.name}/deployment with that version deploys it."
        )

    def _check(self, project: str, name: str, canary: Canary, target: int) -> None:
        self.models.version(project, name, canary.version)
        if canary.version == target:
            raise Invalid(
                f"Version {target} is the one that is to serve; name another as the canary, or leave "
                "it out.",
                field="canary.version",
            )

    def _want(self, project: str, name: str, desired: Desired, before: Deployment | None) -> None:
        if before is None:
            self.store.ask(project, name, desired, actual=PENDING, at=self.clock())
            return
        failed = "failed" in (before.state, before.canary_state)
        if desired == before.desired and not failed:
            return
        actual = PENDING if before.state == "failed" else before.actual
        same = before.canary and desired.canary and before.canary.version == desired.canary.version
        known = before.canary_seen if same and before.canary_state == "ready" else None
        self.store.ask(project, name, desired, actual=actual, at=self.clock(), canary=known)

    def _before(self, found: Deployment) -> Desired:
        """What there was before; raises Conflict if that is not known."""
        updating = found.serving_version not in (None, found.target)
        version = found.serving_version if updating else found.previous_version
        if version is None:
            raise Conflict(
                f"No other version of '{found.name}' served before; PUT "
                f"/models/{found.name}/deployment with the version that is to serve."
            )
        self.models.version(found.project, found.name, version)
        return Desired(
            version=version, alias=None, replicas=found.desired.replicas, back_from=found.target
        )

    def _only(self, project: str) -> Deployment:
        deployed = self.all(project)
        if not deployed:
            raise NotFound(
                "No model is deployed; PUT /models/NAME/deployment deploys one of GET /models."
            )
        if len(deployed) > 1:
            names = ", ".join(found.name for found in deployed)
            raise Invalid(
                f"Several models are deployed; say which with ?model=, one of: {names}.",
                field="model",
            )
        return deployed[0]


def _not_deployed(name: str) -> NotFound:
    return NotFound(f"Model '{name}' is not deployed; PUT /models/{name}/deployment deploys it.")


def _not_yet(found: Deployment, version: int | None, why: str | None) -> str:
    where = f"GET /models/{found.name}/deployment shows how far it is."
    if why:
        return f"Version {version} of '{found.name}' does not serve. {why} {where}"
    return f"Version {version} of '{found.name}' is starting; {where}"
