"""The compose file, brought up by podman-compose, whose services are killed."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from service.local.ports import free_ports
from tests.containers.engine import Engine
from tests.containers.images import RESIDUAL
from tests.containers.manifests import ROOT
from tests.containers.service import Service

SERVICES = ("database", "storage", "ray-head", "ray-worker", "api")
SWEEP = {
    **{"kind": "sweep", "space": {"shortcut": ["A", "B"]}, "arch": "resnet20"},
    **{"dataset": "digits", "epochs": 1},
}
READY_WITHIN_S = 300.0
PROMETHEUS_PORT = 9090


def prometheus(path: str, **params: str) -> Any:
    """What its API says. Raises httpx.HTTPError."""
    url = f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/{path}"
    return httpx.get(url, params=params, timeout=10).raise_for_status().json()["data"]


@dataclass
class Stack(Service):
    """One compose project."""

    engine: Engine = field(kw_only=True)
    port: int = field(kw_only=True)
    name: str = "residual-containers"

    @classmethod
    def of(cls, engine: Engine) -> "Stack":
        port = free_ports(1)[0]
        return cls(f"http://127.0.0.1:{port}", engine=engine, port=port)

    def compose(self, *words: str) -> str:
        file = str(ROOT / "docker-compose.yml")
        settings = {"RESIDUAL_IMAGE": RESIDUAL, "RESIDUAL_PORT": str(self.port)}
        command = ("podman-compose", "-p", self.name, "-f", file, *words)
        return self.engine.run(*command, timeout_s=400, **settings)

    def up(self) -> None:
        """From nothing. Where no systemd asks for it, the database's health is looked at here."""
        self.compose("up", "-d", "--no-build", "database", "storage")
        self.until(self.healthy, READY_WITHIN_S)
        self.compose("up", "-d", "--no-build", *SERVICES)
        self.until(self.ready, READY_WITHIN_S)
        self.key = self.engine.run("podman", "exec", self.container("api"), "residual", "key")

    def observe(self) -> None:
        """With Prometheus, of its profile."""
        self.compose("--profile", "observability", "up", "-d", "--no-build", "prometheus")

    def observed(self, query: str) -> bool:
        """Whether Prometheus has an answer to it."""
        try:
            return bool(prometheus("query", query=query)["result"])
        except httpx.HTTPError:
            return False

    def rules(self) -> dict[str, str]:
        """Alert → "ok" once it was evaluated, "err" when it cannot be."""
        groups = prometheus("rules")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def down(self) -> None:
        self.compose("--profile", "observability", "down", "--volumes", "--timeout", "2")

    def container(self, service: str) -> str:
        return f"{self.name}_{service}_1"

    def healthy(self) -> bool:
        return self.engine.true("podman", "healthcheck", "run", self.container("database"))

    def kill(self, service: str) -> None:
        """At once."""
        self.engine.run("podman", "kill", self.container(service))

    def mend(self) -> None:
        """Start what has ended, as an engine's restart policy does. Podman's own needs a systemd."""
        for service in SERVICES:
            self.engine.start_again(self.container(service))
