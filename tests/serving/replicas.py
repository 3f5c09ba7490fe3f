"""The real application in front of replicas that answer as the test says, for the tests of predictions."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from service.deployments.deployment import PENDING, Actual, Canary, CanarySeen, Desired, Replicas
from service.models.store import ModelVersion
from tests.api.conftest import Service
from tests.serving.pictures import png
from tests.serving.versions import meta
from trainer.contract.serving import Classified, ImageResult, Prediction, Refusal, unpack

AT = datetime(2026, 1, 1, tzinfo=UTC)
PNG = {"Content-Type": "image/png"}
Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class World:
    """The real application, and replicas that answer as the test says."""

    service: Service
    dice: float = 0.5
    asked: list[httpx.Request] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: classified)

    def replica(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)

    def register(self, name: str, *versions: int) -> None:
        for number in versions:
            made = ModelVersion("default", name, number, f"{name}-{number}", meta("job-1"), AT)
            self.service.parts.models.store.insert(made)

    def deploy(
        self, name: str, version: int, *, serving: int | None, previous: int | None = None
    ) -> None:
        """A deployment, as the rollout would have noted it."""
        store = self.service.parts.deployments.store
        desired = Desired(version=version, alias=None, replicas=Replicas(min=1, max=1))
        store.ask("default", name, desired, actual=PENDING, at=AT)
        found = store.get("default", name)
        assert found
        running = Actual(health="running", replicas=1) if serving == version else PENDING
        store.note(
            replace(found, serving_version=serving, previous_version=previous, actual=running)
        )

    def try_out(
        self, name: str, version: int, *, canary: int, percent: float, ready: bool = True
    ) -> None:
        """A deployment with a canary, as the rollout would have noted it."""
        store, one = self.service.parts.deployments.store, Replicas(min=1, max=1)
        wanted = Canary(version=canary, percent=percent, replicas=one)
        desired = Desired(version=version, alias=None, replicas=one, canary=wanted)
        seen = CanarySeen(
            version=canary,
            health="running" if ready else "failed",
            replicas=1,
            message=None if ready else f"Version {canary} did not start: it is damaged.",
        )
        actual = Actual(health="running", replicas=1)
        store.ask("default", name, desired, actual=actual, at=AT, canary=seen)

    def ask(self, query: str = "", **request: Any) -> httpx.Response:
        request = request or {"content": png(), "headers": PNG}
        answer: httpx.Response = self.service.client.post(f"/predict{query}", **request)
        return answer


def classified(request: httpx.Request) -> httpx.Response:
    """Each image's first class is named for its length, so that the order shows."""
    _, _, name, version = request.url.path.split("/")
    answer = Classified(
        model=name,
        version=int(version),
        results=tuple(
            ImageResult(predictions=(Prediction(label=str(len(image)), index=0, probability=1),))
            for image in unpack(request.content)
        ),
        preprocessing="abc",
    )
    return httpx.Response(200, json=answer.model_dump(mode="json"))


def refusal(status: int, detail: str, index: int | None) -> Answer:
    said = Refusal(status=status, detail=detail, index=index)
    return lambda _: httpx.Response(status, json=said.model_dump(mode="json"))
