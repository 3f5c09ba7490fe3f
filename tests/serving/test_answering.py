"""A replica's answer: what was asked, or a refusal that says why; what is too much is refused at once."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from starlette.responses import Response
from torch import Tensor

from deploy import answering
from deploy.answering import Answering
from deploy.classifier import Classifier
from tests.serving.pictures import png
from tests.serving.versions import probabilities, write_checkpoint
from trainer.contract.objects.local import LocalStore
from trainer.contract.serving import TIMEOUT_HEADER, Classified, Refusal, ReplicaArgs, pack
from trainer.engines.choose import Choice
from trainer.evaluation import version

ARGS = ReplicaArgs(store="file:///", prefix="x", name="shapes", version=3, threads=1)


@dataclass
class Asked:
    query_params: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


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
        self, *images: bytes, headers: dict[str, str] | None = None, top_k: str = "10"
    ) -> Awaitable[Response]:
        asked = Asked({"top_k": top_k}, headers or {})
        return self.answering.answer(pack(images), asked)


@pytest.fixture
def world(tmp_path: Path) -> World:
    store = LocalStore(tmp_path)
    written = write_checkpoint(store, "job-1")
    served = version.load(store, written.prefix, device=torch.device("cpu"))
    may = threading.Event()
    may.set()
    told = Told()
    classifier = Classifier(served, Choice("held", Held(served, may), ()))
    return World(probabilities(written, png()), Answering(ARGS, classifier, told), told, may)


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(), timeout=60)

    asyncio.run(main())


def classified(response: Response) -> Classified:
    assert response.status_code == 200
    return Classified.model_validate_json(bytes(response.body))


def refusal(response: Response) -> Refusal:
    said = Refusal.model_validate_json(bytes(response.body))
    assert said.status == response.status_code
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
        assert len(set(world.told.batches)) > 1 or world.told.batches == [6]
        assert sum(world.told.batches) == 6
        for answer in answers:
            best = answer.results[0].predictions[0]
            assert best.probability == pytest.approx(max(world.expected), abs=1e-5)

    run(body)


def test_what_is_no_picture_is_refused_with_its_place(world: World) -> None:
    async def body() -> None:
        said = refusal(await world.ask(png(), b"text"))
        assert (said.status, said.index) == (415, 1)
        assert refusal(await world.ask(png(), top_k="x")).status == 422
        cut = await world.answering.answer((9).to_bytes(4, "big") + b"text", Asked())
        assert refusal(cut).status == 422
        assert world.told.refusals == [415, 422, 422]

    run(body)


def test_more_than_fits_is_refused_at_once_and_the_others_are_answered(world: World) -> None:
    async def body() -> None:
        world.may_compute.clear()
        held = [asyncio.ensure_future(world.ask(png())) for _ in range(answering.INSIDE)]
        await asyncio.sleep(0)
        refused = await world.ask(png())
        assert refusal(refused).status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        world.may_compute.set()
        assert {each.status_code for each in await asyncio.gather(*held)} == {200}
        assert max(world.told.batches) <= answering.BATCH["cpu"]

    run(body)


def test_a_request_whose_time_is_over_is_not_computed(world: World) -> None:
    async def body() -> None:
        refused = await world.ask(png(), headers={TIMEOUT_HEADER: "0"})
        assert "deadline" in refusal(refused).detail
        assert world.told.batches == []
        assert (await world.ask(png(), headers={TIMEOUT_HEADER: "60"})).status_code == 200
        assert refusal(await world.ask(png(), headers={TIMEOUT_HEADER: "soon"})).status == 422

    run(body)
