"""A replica's answer: what was asked, or a refusal that says why; what is too much is refused at once."""

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message
from torch import Tensor

from deploy import answering
from deploy.answering import Answering
from deploy.classifier import Classifier, Member
from tests.serving.pictures import png
from tests.serving.replicas import received
from tests.serving.versions import probabilities, write_checkpoint
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.objects.local import LocalStore
from trainer.contract.problems import MEDIA_TYPE
from trainer.contract.serving import PACKED, TIMEOUT_HEADER, Classified, ReplicaArgs, pack
from trainer.engines.choose import Choice
from trainer.engines.engine import Hardware
from trainer.engines.views import Views
from trainer.evaluation import version

MODEL = EvaluatedModel(name="shapes", version=3, prefix="x")
ARGS = ReplicaArgs(store="file:///", name="shapes", version=3, members=(MODEL,), threads=1)
HARDWARE = Hardware(device="cpu", threads=1, bf16=False)
URL = "http://serve/default/shapes/3/predict"


@dataclass
class Told:
    """Metrics that remember."""

    stages: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)

    def stage(self, name: str, seconds: float) -> None:
        assert seconds >= 0
        self.stages.append(name)

    def batch(self, images: int) -> None:
        self.batches.append(images)

    def refusal(self, status: int) -> None:
        self.refusals.append(status)


@dataclass
class Held:
    """The network, once it may."""

    version: version.Version
    may: threading.Event

    def logits(self, pixels: Tensor) -> Tensor:
        assert self.may.wait(30)
        return self.version.logits(pixels)


@dataclass
class World:
    expected: list[float]
    """Probabilities of the picture `png()`."""
    answering: Answering
    told: Told
    may_compute: threading.Event

    def ask(
        self, *images: bytes, headers: dict[str, str] | None = None, top_k: str = "10", **query: str
    ) -> Awaitable[Response]:
        kind = {"Content-Type": PACKED}
        params = {"top_k": top_k} | query
        return self.send(content=pack(images), headers=kind | (headers or {}), params=params)

    def send(self, **request: Any) -> Awaitable[Response]:
        """What `POST /predict` takes, at the replica itself."""
        return self.answering.answer(received(httpx.Request("POST", URL, **request)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    store = LocalStore(tmp_path)
    written = write_checkpoint(store, "job-1")
    served = version.load(store, written.prefix, device=torch.device("cpu"))
    may = threading.Event()
    may.set()
    told = Told()
    views = Views(served, HARDWARE, "openvino-f32")
    member = Member(MODEL, served, Choice("held", Held(served, may), ()), views)
    classifier = Classifier((member,))
    return World(probabilities(written, png()), Answering(ARGS, classifier, told), told, may)


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(), timeout=60)

    asyncio.run(main())


def classified(response: Response) -> Classified:
    assert response.status_code == 200
    return Classified.model_validate_json(bytes(response.body))


def refusal(response: Response) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(bytes(response.body))
    assert said["status"] == response.status_code
    assert response.headers["content-type"] == MEDIA_TYPE
    return said


def test_an_answer_has_the_networks_probabilities_and_who_gave_them(world: World) -> None:
    async def body() -> None:
        answer = classified(await world.ask(png()))
        assert (answer.model, answer.version) == ("shapes", 3)
        given = {p.index: p.probability for p in answer.results[0].predictions}
        assert given == pytest.approx(dict(enumerate(world.expected)), abs=1e-5)
        assert sorted(world.told.stages) == ["compute", "decode", "encode", "queue"]

    run(body)


def test_who_answers_says_with_what(world: World) -> None:
    assert json.loads(bytes(world.answering.who().body)) == {
        "model": "shapes",
        "version": 3,
        "engine": "held",
    }


def test_requests_that_wait_are_computed_together_and_answered_apart(world: World) -> None:
    async def body() -> None:
        world.may_compute.clear()
        asked = [asyncio.ensure_future(world.ask(png())) for _ in range(6)]
        while world.told.stages.count("decode") < 6:
            await asyncio.sleep(0.001)
        world.may_compute.set()
        answers = [classified(each) for each in await asyncio.gather(*asked)]
        # One of those that were there when the engine was free, and one of all that came meanwhile.
        assert len(world.told.batches) <= 2
        assert sum(world.told.batches) == 6
        for answer in answers:
            best = answer.results[0].predictions[0]
            assert best.probability == pytest.approx(max(world.expected), abs=1e-5)

    run(body)


def test_what_is_no_picture_is_refused_with_its_place(world: World) -> None:
    async def body() -> None:
        said = refusal(await world.ask(png(), b"text"))
        assert (said["status"], said["detail"][:14]) == (415, "File 2 of 2: t")
        assert refusal(await world.ask(png(), top_k="x"))["status"] == 422
        cut = (9).to_bytes(4, "big") + b"text"
        assert (
            refusal(await world.send(content=cut, headers={"Content-Type": PACKED}))["status"]
            == 400
        )
        assert world.told.refusals == [415, 422, 400]

    run(body)


def test_more_than_fits_is_refused_at_once_and_the_others_are_answered(world: World) -> None:
    async def body() -> None:
        world.may_compute.clear()
        held = [asyncio.ensure_future(world.ask(png())) for _ in range(answering.INSIDE)]
        await asyncio.sleep(0)
        refused = await world.ask(png())
        assert refusal(refused)["status"] == 503
        assert int(refused.headers["Retry-After"]) >= 1
        world.may_compute.set()
        assert {each.status_code for each in await asyncio.gather(*held)} == {200}
        assert max(world.told.batches) <= answering.BATCH["cpu"]

    run(body)


async def never() -> Message:
    pytest.fail("the body was read")


def test_what_is_refused_for_want_of_room_is_not_read_first(world: World) -> None:
    async def body() -> None:
        world.may_compute.clear()
        held = [asyncio.ensure_future(world.ask(png())) for _ in range(answering.INSIDE)]
        await asyncio.sleep(0)
        unread = Request(received(httpx.Request("POST", URL)).scope, never)
        assert refusal(await world.answering.answer(unread))["status"] == 503
        world.may_compute.set()
        await asyncio.gather(*held)

    run(body)


def test_a_request_whose_time_is_over_is_not_computed(world: World) -> None:
    async def body() -> None:
        refused = await world.ask(png(), headers={TIMEOUT_HEADER: "0"})
        assert "deadline" in refusal(refused)["detail"]
        assert world.told.batches == []
        assert (await world.ask(png(), headers={TIMEOUT_HEADER: "60"})).status_code == 200
        assert refusal(await world.ask(png(), headers={TIMEOUT_HEADER: "soon"}))["status"] == 422

    run(body)


def test_a_replica_itself_takes_all_that_the_service_takes(world: World) -> None:
    image = png()
    text = base64.b64encode(image).decode()

    async def body() -> None:
        whole = await world.send(content=image, headers={"Content-Type": "image/png"})
        for request in ({"files": [("file", ("a.png", image))]}, {"json": {"images": [text]}}):
            assert (await world.send(**request)).body == whole.body
        assert len(classified(whole).results[0].predictions) == 5

    run(body)


@pytest.mark.parametrize("kind", ["image/png", "application/json", PACKED, "multipart"])
def test_a_body_over_the_limit_is_refused_however_it_comes(world: World, kind: str) -> None:
    too_long = b"0" * (ARGS.max_bytes + 1)

    async def body() -> None:
        request: dict[str, Any] = {"content": too_long, "headers": {"Content-Type": kind}}
        if kind == "multipart":
            request = {"files": [("file", ("a.png", too_long))]}
        said = refusal(await world.send(**request))
        assert (said["status"], said["code"]) == (413, "too_large")
        assert f"at most {ARGS.max_bytes} bytes" in said["detail"]

    run(body)


@pytest.mark.parametrize(
    ("query", "status", "hint"),
    [
        ("top_k=0", 422, "'top_k'"),
        ("topk=3", 422, "did you mean 'top_k'?"),
        ("protocol=12-crop", 422, "'protocol'"),
        ("alias=best", 422, "aliases are known to the service"),
        ("model=other", 404, "Version 3 of 'shapes' answers here"),
        ("version=2", 404, "Version 3 of 'shapes' answers here"),
        ("model=shapes&version=3", 200, ""),
    ],
)
def test_a_replica_answers_for_itself_alone(
    world: World, query: str, status: int, hint: str
) -> None:
    async def body() -> None:
        params = dict(each.split("=") for each in query.split("&"))
        headers = {"Content-Type": "image/png"}
        answer = await world.send(content=png(), headers=headers, params=params)
        assert answer.status_code == status
        assert hint.lower() in bytes(answer.body).decode().lower()

    run(body)


def test_an_image_in_ten_views_counts_as_ten_images(world: World) -> None:
    async def body() -> None:
        answer = classified(await world.ask(*[png()] * 12, protocol="10-crop"))
        assert (answer.protocol, len(answer.results)) == ("10-crop", 12)
        said = refusal(await world.ask(*[png()] * 13, protocol="10-crop"))
        assert (said["status"], said["detail"]) == (
            422,
            "Send 12 images at most in a request by 10-crop.",
        )
        world.may_compute.clear()
        alone = [asyncio.ensure_future(world.ask(png())) for _ in range(answering.INSIDE - 9)]
        await asyncio.sleep(0)
        assert refusal(await world.ask(png(), protocol="10-crop"))["status"] == 503
        world.may_compute.set()
        assert {each.status_code for each in await asyncio.gather(*alone)} == {200}

    run(body)
