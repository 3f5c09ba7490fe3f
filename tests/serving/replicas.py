"""The real application in front of replicas that answer as the test says, for the tests of predictions."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from deploy import reading
from deploy.refusing import Refused, response
from service.deployments.deployment import PENDING, Actual, Canary, CanarySeen, Desired, Replicas
from service.models.store import ModelVersion
from tests.api.conftest import Service
from tests.serving.pictures import png
from tests.serving.versions import meta
from trainer.contract.problems import Kind
from trainer.contract.serving import Classified, ImageResult, Prediction

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
    takes_s: Callable[[httpx.Request], float] = lambda _: 0.0
    """Until the answer."""

    async def replica(self, request: httpx.Request) -> httpx.Response:
        """It reads as a real one does: what it does not take, it refuses; else the test answers."""
        try:
            request.extensions["images"] = await reading.images(received(request))
        except Refused as refused:
            return as_httpx(response(refused))
        self.asked.append(request)
        await anyio.sleep(self.takes_s(request))
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
    _, _, name, version, _ = request.url.path.split("/")
    answer = Classified(
        model=name,
        version=int(version),
        results=tuple(
            ImageResult(predictions=(Prediction(label=str(len(image)), index=0, probability=1),))
            for image in request.extensions["images"]
        ),
        preprocessing="abc",
    )
    return httpx.Response(200, json=answer.model_dump(mode="json"))


def refusal(kind: Kind, detail: str, *, retry_after_s: int | None = None) -> Answer:
    said = Refused(kind, detail, retry_after_s=retry_after_s)
    return lambda _: as_httpx(response(said))


def received(request: httpx.Request) -> Request:
    """What a replica is given."""
    scope = {
        "type": "http",
        "method": request.method,
        "path": request.url.path,
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": request.read(), "more_body": False}

    return Request(scope, receive)


def as_httpx(answer: Response) -> httpx.Response:
    return httpx.Response(answer.status_code, content=bytes(answer.body), headers=answer.headers)
