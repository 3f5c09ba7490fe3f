"""Ray Serve through its REST interface. `Rollout` uses it; tests have a fake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from service.errors import ClusterUnavailable
from trainer.contract.serving import DEPLOYMENT

Application = dict[str, Any]
"""An application as Ray Serve's REST interface takes it (`ServeApplicationSchema`)."""


@dataclass(frozen=True)
class SeenApplication:
    """What Ray Serve says of one application."""

    status: str
    """NOT_STARTED, DEPLOYING, RUNNING, UNHEALTHY, DEPLOY_FAILED or DELETING."""
    message: str
    replicas: int
    """Running ones."""
    config: Application
    """As it was asked for; empty if it came another way than through this interface."""


@dataclass(frozen=True)
class Seen:
    """Ray Serve at one moment."""

    started: bool
    """Whether its HTTP proxies run; it is started by the first `apply`."""
    applications: dict[str, SeenApplication]


class Serve(Protocol):
    """All calls are synchronous and give up after a few seconds."""

    def look(self) -> Seen:
        """Raises ClusterUnavailable."""

    def apply(self, applications: Sequence[Application]) -> None:
        """Let these run, and end all others that came through here. Raises ClusterUnavailable."""

    def answers(self, route: str) -> bool:
        """Whether a request to `route` reaches a replica. Never raises."""


@dataclass(frozen=True)
class ServeRest:
    """Serve's part of Ray's dashboard at `ray`, and its HTTP proxy at `proxy`."""

    ray: httpx.Client
    proxy: httpx.Client

    def look(self) -> Seen:
        try:
            answer = self.ray.get("/api/serve/applications/")
            answer.raise_for_status()
            return _seen(answer.json())
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise ClusterUnavailable(f"Ray Serve does not answer: {error}") from error

    def apply(self, applications: Sequence[Application]) -> None:
        address = urlsplit(str(self.proxy.base_url))
        loopback = address.hostname in ("127.0.0.1", "localhost")
        body = {
            "http_options": {
                "host": "127.0.0.1" if loopback else "0.0.0.0",  # noqa: S104  nodes of a cluster
                "port": address.port or 80,
            },
            "applications": list(applications),
        }
        try:
            # The first one starts Serve: 7 s on an idle machine with two cores.
            answer = self.ray.put("/api/serve/applications/", json=body, timeout=60)
        except httpx.HTTPError as error:
            raise ClusterUnavailable(f"Ray Serve does not answer: {error}") from error
        if answer.is_error:
            raise ClusterUnavailable(f"Ray Serve refused the applications: {answer.text[:1000]}")

    def answers(self, route: str) -> bool:
        try:
            return self.proxy.get(route).is_success
        except httpx.HTTPError:
            return False


def connect(ray: str, proxy: str, *, token: str | None) -> ServeRest:
    """Ray's dashboard is at `ray`, Serve's HTTP proxy at `proxy`; nothing is asked of them yet."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return ServeRest(
        ray=httpx.Client(base_url=ray, headers=headers, timeout=5, trust_env=False),  # seconds
        proxy=httpx.Client(base_url=proxy, timeout=2, trust_env=False),  # seconds
    )


def _seen(details: dict[str, Any]) -> Seen:
    applications = {}
    for name, application in details["applications"].items():
        deployment = application["deployments"].get(DEPLOYMENT, {})
        applications[name] = SeenApplication(
            status=application["status"],
            # The application only says that a deployment failed; the deployment says why.
            message=deployment.get("message") or application["message"],
            replicas=sum(one["state"] == "RUNNING" for one in deployment.get("replicas", [])),
            config=application["deployed_app_config"] or {},
        )
    return Seen(started=bool(details["proxies"]), applications=applications)
