"""Every way of asking for a prediction gets the replica's answer or a sentence that helps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.deployments.deployment import PENDING, Actual, Desired, Replicas
from service.models.store import ModelVersion
from service.predict.service import Predictor
from tests.api.conftest import Service, serving
from tests.serving.pictures import png
from tests.serving.versions import meta
from trainer.contract.serving import (
    MAX_IMAGES,
    Classified,
    ImageResult,
    Prediction,
    Refusal,
    unpack,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
PNG = {"Content-Type": "image/png"}
Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class World:
    """The real application, and replicas that answer as the test says."""

    service: Service
    asked: list[httpx.Request] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: classified)

    def replica(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)

    def register(self, name: str, *versions: int) -> None:
        for number in versions:
            made = ModelVersion("default", name, number, f"{name}-{number}", meta("job-1"), AT)
            self.service.parts.models.store.insert(made)

    def deploy(self, name: str, version: int, *, serving: int | None) -> None:
        """A deployment, as the rollout would have noted it."""
        store = self.service.parts.deployments.store
        desired = Desired(version=version, alias=None, replicas=Replicas(min=1, max=1))
        store.ask("default", name, desired, actual=PENDING, at=AT)
        found = store.get("default", name)
        assert found
        running = Actual(health="running", replicas=1) if serving == version else PENDING
        store.note(replace(found, serving_version=serving, actual=running))

    def ask(self, query: str = "", **request: Any) -> httpx.Response:
        request = request or {"content": png(), "headers": PNG}
        answer: httpx.Response = self.service.client.post(f"/predict{query}", **request)
        return answer


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path) as service:
        made = World(service)
        replicas = httpx.AsyncClient(
            base_url="http://serve", transport=httpx.MockTransport(made.replica)
        )
        parts = replace(service.parts, predictor=Predictor(service.parts.deployments, replicas))
        service.app.state.parts = parts
        made.register("digits", 1, 2)
        made.deploy("digits", 1, serving=1)
        yield made


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


def problem(answer: httpx.Response, status: int, code: str) -> str:
    """The sentence of a failure, which must be of this kind."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    detail: str = answer.json()["detail"]
    assert detail[0].isupper() or detail[0] == "'"
    assert detail.endswith(".")
    return detail


def test_an_image_as_the_body_is_classified(world: World) -> None:
    image = png()
    answer = world.ask("?model=digits&top_k=3", content=image, headers=PNG)
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "digits",
        "version": 1,
        "results": [{"predictions": [{"label": str(len(image)), "index": 0, "probability": 1.0}]}],
        "preprocessing": "abc",
    }
    (asked,) = world.asked
    assert (asked.url.path, asked.url.params["top_k"]) == ("/default/digits/1", "3")
    assert unpack(asked.content) == [image]


def test_several_files_are_answered_in_their_order(world: World) -> None:
    images = [png(1), b"0" * 5, png(2)]
    answer = world.ask(files=[("file", (f"{i}.png", image)) for i, image in enumerate(images)])
    labels = [result["predictions"][0]["label"] for result in answer.json()["results"]]
    assert labels == [str(len(image)) for image in images]


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "image/gif", ""])
def test_another_media_type_is_refused_with_those_that_are_taken(world: World, kind: str) -> None:
    answer = world.ask(content=png(), headers={"Content-Type": kind})
    assert "image/jpeg, image/png or image/webp" in problem(answer, 415, "unsupported_media")
    assert world.asked == []


def test_an_empty_body_is_invalid(world: World) -> None:
    assert "empty" in problem(world.ask(content=b"", headers=PNG), 422, "invalid")
    assert "empty" in problem(world.ask(files=[("file", ("a.png", b""))]), 422, "invalid")


def test_parts_must_be_files_named_file(world: World) -> None:
    detail = problem(world.ask(files=[("image", ("a.png", png()))]), 422, "invalid")
    assert "'image'" in detail
    problem(world.ask(files=[("file", (None, "text"))]), 422, "invalid")


def test_too_many_files_are_invalid(world: World) -> None:
    files = [("file", (f"{i}.png", b"x")) for i in range(MAX_IMAGES + 1)]
    assert f"1 to {MAX_IMAGES}" in problem(world.ask(files=files), 422, "invalid")
    problem(world.ask(files=files * 2), 400, "malformed")


def test_a_multipart_body_that_cannot_be_read_is_malformed(world: World) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    problem(world.ask(content=b"nonsense", headers=headers), 400, "malformed")
    headers = {"Content-Type": "multipart/form-data"}
    problem(world.ask(content=b"nonsense", headers=headers), 400, "malformed")


def test_a_body_over_the_limit_is_too_large(world: World) -> None:
    limit = world.service.parts.settings.max_image_bytes
    problem(world.ask(content=b"0" * (limit + 1), headers=PNG), 413, "too_large")


@pytest.mark.parametrize(
    "query",
    ["top_k=0", "top_k=1001", "top_k=x", "version=0", "version=1&alias=a", "model=A", "n=1",
     "version=99999999999999999999"],
)  # fmt: skip
def test_a_query_that_cannot_be_meant_is_invalid(world: World, query: str) -> None:
    problem(world.ask(f"?{query}"), 422, "invalid")


def test_a_model_may_be_left_out_only_while_one_is_deployed(world: World) -> None:
    assert world.ask().json()["model"] == "digits"
    world.register("fashion", 1)
    world.deploy("fashion", 1, serving=1)
    assert "digits, fashion" in problem(world.ask(), 422, "invalid")
    for name in ("digits", "fashion"):
        world.service.parts.deployments.take_down("default", name)
    assert "PUT /models/" in problem(world.ask(), 404, "not_found")


def test_what_is_not_deployed_is_not_found_and_the_way_is_told(world: World) -> None:
    detail = problem(world.ask("?model=fashion"), 404, "not_found")
    assert "PUT /models/fashion/deployment" in detail
    detail = problem(world.ask("?model=digits&version=2"), 404, "not_found")
    assert "PUT /models/digits/deployment" in detail


def test_a_version_or_an_alias_refuses_the_answer_of_another(world: World) -> None:
    assert world.ask("?version=1").json()["version"] == 1
    models = world.service.parts.models
    models.point("default", "digits", "best", 1)
    assert world.ask("?model=digits&alias=best").json()["version"] == 1
    models.point("default", "digits", "best", 2)
    problem(world.ask("?model=digits&alias=best"), 404, "not_found")
    problem(world.ask("?model=digits&alias=unknown"), 404, "not_found")


def test_a_version_that_starts_is_unavailable_and_the_old_one_answers(world: World) -> None:
    world.deploy("digits", 2, serving=1)
    assert world.ask().json()["version"] == 1
    problem(world.ask("?version=2"), 503, "model_unavailable")
    world.register("fashion", 1)
    world.deploy("fashion", 1, serving=None)
    problem(world.ask("?model=fashion"), 503, "model_unavailable")


@pytest.mark.parametrize(
    ("status", "code"), [(413, "too_large"), (415, "unsupported_media"), (422, "invalid")]
)
def test_a_replicas_refusal_names_the_file(world: World, status: int, code: str) -> None:
    world.answer = refusal(status, "this is no image; send one", 1)
    files = [("file", ("a.png", png())), ("file", ("b.png", b"text"))]
    detail = problem(world.ask(files=files), status, code)
    assert detail == "File 2 of 2: this is no image; send one."
    world.answer = refusal(status, "this is no image; send one", 0)
    assert problem(world.ask(), status, code) == "This is no image; send one."


def test_a_switch_between_finding_and_asking_is_not_seen(world: World) -> None:
    def switched(request: httpx.Request) -> httpx.Response:
        world.deploy("digits", 2, serving=2)
        world.answer = classified
        return httpx.Response(404, text="Path '/default/digits/1' not found.")

    world.answer = switched
    assert world.ask().json()["version"] == 2


@pytest.mark.parametrize("status", [404, 500, 502, 503, 504])
def test_a_proxy_that_cannot_reach_a_replica_is_unavailable(world: World, status: int) -> None:
    world.answer = lambda _: httpx.Response(status, text="Internal Server Error")
    problem(world.ask(), 503, "model_unavailable")


def test_a_serve_that_is_away_is_unavailable(world: World) -> None:
    for failure, code in (
        (httpx.ConnectError("refused"), "model_unavailable"),
        (httpx.ReadTimeout("slow"), "unavailable"),
        (httpx.RemoteProtocolError("closed"), "model_unavailable"),
    ):

        def fail(_: httpx.Request, failure: Exception = failure) -> httpx.Response:
            raise failure

        world.answer = fail
        problem(world.ask(), 503, code)
