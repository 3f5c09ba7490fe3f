"""A running service, however it was brought up: jobs and pictures are sent to it."""

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

JOB = {"arch": "resnet20", "dataset": "digits", "epochs": 2}
MODEL = "digits"
LOOK_EVERY_S = 1.0
TIMEOUT = httpx.Timeout(30, connect=1)
"""A container that has just died lets nobody know: who connects waits."""


@dataclass
class Service:
    """At `url`, for whoever has its `key`."""

    url: str
    key: str = ""

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=TIMEOUT).is_success
        except httpx.TransportError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.url}{path}"
        return httpx.request(method, url, json=body, headers=headers, timeout=TIMEOUT)

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
        try:
            answer = httpx.post(
                f"{self.url}/predict", content=picture.getvalue(), headers=headers, timeout=TIMEOUT
            )
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

    def mend(self) -> None:
        """Start what has ended, where nobody else does."""

    def until(self, come: Callable[[], bool], within_s: float) -> float:
        """Seconds that it took. Raises TimeoutError."""
        began = time.monotonic()
        while not come():
            self.mend()
            if time.monotonic() - began > within_s:
                raise TimeoutError(f"{come} did not come true within {within_s:.0f} s")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - began
