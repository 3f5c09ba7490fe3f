"""The compose file, brought up by podman-compose: jobs and pictures are sent to it, and its services are
killed."""

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from service.local.ports import free_ports
from tests.containers.engine import Engine
from tests.containers.images import RESIDUAL
from tests.containers.manifests import ROOT

SERVICES = ("database", "storage", "ray-head", "ray-worker", "api")
JOB = {"arch": "resnet20", "dataset": "digits", "epochs": 2}
SWEEP = {
    **{"kind": "sweep", "space": {"shortcut": ["A", "B"]}, "arch": "resnet20"},
    **{"dataset": "digits", "epochs": 1},
}
MODEL = "digits"
READY_WITHIN_S = 300.0
DONE_WITHIN_S = 400.0
LOOK_EVERY_S = 1.0
PROMETHEUS_PORT = 9090


def prometheus(path: str, **params: str) -> Any:
    """What its API says. Raises httpx.HTTPError."""
    url = f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/{path}"
    return httpx.get(url, params=params, timeout=10).raise_for_status().json()["data"]


@dataclass
class Stack:
    """One compose project."""

    engine: Engine
    port: int
    name: str = "residual-containers"
    key: str = ""

    @classmethod
    def of(cls, engine: Engine) -> "Stack":
        return cls(engine, free_ports(1)[0])

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

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=20).is_success
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, json=body, headers=headers, timeout=30)

    def job(self, spec: object = JOB) -> str:
        """Sends one; its id."""
        return str(self.ask("POST", "/jobs", spec).raise_for_status().json()["id"])

    def deploy(self, job: str) -> None:
        """What it trained, on two replicas."""
        self.ask("POST", "/models", {"name": MODEL, "job": job}).raise_for_status()
        wanted = {"replicas": {"min": 2, "max": 2}}
        self.ask("PUT", f"/models/{MODEL}/deployment", wanted).raise_for_status()

    def classifies(self) -> bool:
        """Whether a picture is answered by that model."""
        picture = io.BytesIO()
        Image.new("L", (8, 8), 128).save(picture, "PNG")
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "image/png"}
        url = f"http://127.0.0.1:{self.port}/predict"
        try:
            answer = httpx.post(url, content=picture.getvalue(), headers=headers, timeout=30)
        except httpx.TransportError:
            return False
        return answer.is_success and bool(answer.json()["model"] == MODEL)

    def finished(self, job: str) -> bool:
        """Whether it succeeded. Raises RuntimeError when it ended otherwise."""
        try:
            answer = self.ask("GET", f"/jobs/{job}")
        except httpx.TransportError:
            return False
        if answer.is_error:
            return False
        seen = answer.json()
        if seen["state"] in ("failed", "cancelled"):
            raise RuntimeError(f"{job} {seen['state']}: {json.dumps(seen['reason'])}")
        return bool(seen["state"] == "succeeded")

    def kill(self, service: str) -> None:
        """At once."""
        self.engine.run("podman", "kill", self.container(service))

    def mend(self) -> None:
        """Start what has ended, as an engine's restart policy does. Podman's own needs a systemd."""
        for service in SERVICES:
            name = self.container(service)
            if not self.engine.true("podman", "container", "exists", name):
                continue  # its turn has not come
            state = self.engine.run("podman", "inspect", "--format={{.State.Status}}", name)
            if state in ("exited", "stopped"):
                self.engine.run("podman", "start", name)

    def until(self, come: Callable[[], bool], within_s: float) -> float:
        """Seconds that it took. Raises TimeoutError."""
        began = time.monotonic()
        while not come():
            self.mend()
            if time.monotonic() - began > within_s:
                raise TimeoutError(f"{come} did not come true within {within_s:.0f} s")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - began
