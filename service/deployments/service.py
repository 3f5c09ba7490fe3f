"""Deployments as clients see them: ask for one, look at it, take it down, find who answers."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from service.deployments.deployment import PENDING, Deployment, Desired, Replicas
from service.deployments.store import DeploymentStore
from service.errors import Invalid, ModelUnavailable, NotFound
from service.models.service import Models


@dataclass(frozen=True)
class Deployments:
    """What can be done with deployments. Knows no HTTP, no SQL and no Ray."""

    store: DeploymentStore
    models: Models
    clock: Callable[[], datetime]

    def ask(
        self,
        project: str,
        name: str,
        *,
        version: int | None,
        alias: str | None,
        replicas: Replicas,
    ) -> Deployment:
        """Let a version serve (default: the newest), or whatever version an alias means. Asking
        again changes nothing, but that a version that failed is tried again."""
        if alias is not None:
            self.models.aliased(project, name, alias)
        elif version is not None:
            self.models.version(project, name, version)
        else:
            version = self.models.get(project, name).versions[0].version
        desired = Desired(version=version, alias=alias, replicas=replicas)
        before = self.store.get(project, name)
        if before is None or before.actual.health == "failed":
            self.store.ask(project, name, desired, actual=PENDING, at=self.clock())
        elif before.desired != desired:
            self.store.ask(project, name, desired, actual=before.actual, at=self.clock())
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
        self, project: str, name: str | None, *, version: int | None, alias: str | None
    ) -> tuple[str, int]:
        """Model and version that answer a prediction now. Raises NotFound, Invalid if `name` is
        left out and not exactly one is deployed, or ModelUnavailable while it starts."""
        found = self.get(project, name) if name else self._only(project)
        if alias is not None:
            version = self.models.aliased(project, found.name, alias)
        wanted = found.target if version is None else version
        serving = found.serving_version
        if version is not None and version not in (serving, found.target):
            raise NotFound(
                f"Version {version} of '{found.name}' is not deployed, version {found.target} is; "
                f"PUT /models/{found.name}/deployment with that version deploys it."
            )
        if serving is None or (version is not None and version != serving):
            raise ModelUnavailable(_not_yet(found, wanted))
        return found.name, serving

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


def _not_yet(found: Deployment, version: int | None) -> str:
    where = f"GET /models/{found.name}/deployment shows how far it is."
    if found.message:
        return f"Version {version} of '{found.name}' does not serve. {found.message} {where}"
    return f"Version {version} of '{found.name}' is starting; {where}"
