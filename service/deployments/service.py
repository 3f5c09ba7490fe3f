"""Deployments as clients see them: ask for one, look at it, roll it back, take it down, find who answers."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from service.deployments import answering
from service.deployments.answering import Who
from service.deployments.deployment import PENDING, Canary, Deployment, Desired, Replicas
from service.deployments.ensembles import EnsembleStore
from service.deployments.store import DeploymentStore
from service.deployments.versions import Versions, check
from service.errors import Conflict, Invalid, NotFound
from service.models.service import Models
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.evaluation import Protocol


@dataclass(frozen=True)
class Deployments:
    """What can be done with deployments. Knows no HTTP, no SQL and no Ray."""

    store: DeploymentStore
    models: Models
    clock: Callable[[], datetime]

    @property
    def versions(self) -> Versions:
        return Versions(self.models, EnsembleStore(self.store.engine))

    def ask(  # noqa: PLR0913 - one parameter for each field of the body
        self,
        project: str,
        name: str,
        *,
        version: int | None,
        alias: str | None,
        replicas: Replicas,
        canary: Canary | None = None,
        protocol: Protocol = "center",
    ) -> Deployment:
        """Let a version serve, or whatever version an alias means. Default: the newest; beside a
        canary, what is deployed already. Asking again changes nothing, but that a version that failed
        is tried again. Raises NotFound, or Invalid for a canary that is to serve anyway, or a protocol
        that does not suit."""
        before = self.store.get(project, name)
        if canary and version is None and alias is None and before:
            version, alias = before.desired.version, before.desired.alias
        if alias is not None:
            target = self.versions.aliased(project, name, alias)
        elif version is not None:
            target = version
        else:
            target = version = self.versions.newest(project, name)
        check(protocol, self.versions.networks(project, name, target))
        if canary:
            check(protocol, self._of_canary(project, name, canary, target))
        desired = Desired(
            version=version, alias=alias, replicas=replicas, canary=canary, protocol=protocol
        )
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
            raise answering.not_deployed(name)
        return found

    def all(self, project: str) -> list[Deployment]:
        """By name."""
        return self.store.of_project(project)

    def take_down(self, project: str, name: str) -> None:
        """It answers no more; its replicas end within seconds. Raises NotFound."""
        if not self.store.delete(project, name):
            raise answering.not_deployed(name)

    def answering(self, project: str, name: str, version: int | None) -> Who:
        """Who answers a prediction now, but for a canary. Raises NotFound, or ModelUnavailable while it
        starts."""
        return answering.who(self.get(project, name), version)

    def _of_canary(
        self, project: str, name: str, canary: Canary, target: int
    ) -> tuple[CheckpointMeta, ...]:
        networks = self.versions.networks(project, name, canary.version)
        if canary.version == target:
            raise Invalid(
                f"Version {target} is the one that is to serve; name another as the canary, or leave "
                "it out.",
                field="canary.version",
            )
        return networks

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
        self.versions.networks(found.project, found.name, version)
        kept = found.desired.model_copy(update={"canary": None, "back_from": found.target})
        return kept.model_copy(update={"version": version, "alias": None})
