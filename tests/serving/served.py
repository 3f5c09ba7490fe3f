"""The service on a Ray of its own, for the tests that serve for real."""

import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi.testclient import TestClient

from service.models.store import ModelVersion
from service.parts import Parts
from tests.serving.pictures import encoded, picture
from tests.serving.versions import Written, write_checkpoint
from tests.waiting import until
from trainer.contract import checkpoints, layout
from trainer.contract.serving import DEPLOYMENT

KEY = "the-key-of-these-tests"
PNG = encoded(picture(1))


@dataclass
class World:
    """The service on a Ray of its own, with a model `shapes`."""

    client: TestClient
    parts: Parts
    ray: httpx.Client

    def register(self) -> tuple[int, Written]:
        """The next version, with weights of its own."""
        objects, store = self.parts.models.objects, self.parts.models.store
        number = len(store.versions("default", "shapes")) + 1
        written = write_checkpoint(objects, f"job-{number}", seed=number)
        source = checkpoints.read(objects, written.prefix)
        at = datetime.now(UTC)
        checkpoints.copy_as_version(objects, source, prefix_of(number), at=at)
        made = ModelVersion("default", "shapes", number, written.prefix, written.meta, at)
        store.insert(made)
        return number, written

    def serving(self) -> int:
        """The version that serves; a new one, if none does."""
        shown = self.client.get("/models/shapes/deployment").json()
        if shown.get("state") != "ready":
            self.register()
            self.deploy()
            shown = self.reaches("ready")
        return int(shown["serving_version"])

    def on_trial(self) -> dict[str, Any]:
        """The deployment, once its canary is ready."""

        def look() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.client.get("/models/shapes/deployment").json()
            return shown if shown["canary"] and shown["canary"]["state"] == "ready" else None

        return until(look, within_s=60)

    def deploy(self, **body: object) -> None:
        answer = self.client.put("/models/shapes/deployment", json=body)
        assert answer.status_code == 202, answer.text

    def reaches(self, state: str) -> dict[str, Any]:
        """The deployment, once it is in `state`."""

        def look() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.client.get("/models/shapes/deployment").json()
            return shown if shown["state"] == state else None

        return until(look, within_s=60)

    def predict(self, image: bytes, *, top_k: int = 5) -> httpx.Response:
        answer: httpx.Response = self.client.post(
            f"/predict?model=shapes&top_k={top_k}",
            content=image,
            headers={"Content-Type": "image/png"},
        )
        return answer

    def kill_replica(self, number: int) -> None:
        """By SIGKILL, in the middle of whatever it does."""
        # A busy one has the request's name as its title, so Serve is asked which process it is.
        found = self.ray.get("/api/serve/applications/").json()["applications"]
        deployed = found[f"default.shapes.{number}"]["deployments"][DEPLOYMENT]
        (replica,) = deployed["replicas"]
        os.kill(replica["pid"], signal.SIGKILL)

    def applications(self) -> list[str]:
        return sorted(self.ray.get("/api/serve/applications/").json()["applications"])


def prefix_of(number: int) -> str:
    return layout.model_version("default", "shapes", number)
