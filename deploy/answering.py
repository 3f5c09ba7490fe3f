"""From a request to a replica's answer: read, decoded beside the network, computed in batches. No Ray."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol as Typing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy import reading
from deploy.batcher import Batcher, Full, Limits, TooLate
from deploy.classifier import BadImage, Classifier, Question
from deploy.refusing import Refused, at_fault, response
from trainer.contract import suits
from trainer.contract.evaluation import Protocol, images_worth
from trainer.contract.problems import INVALID, MODEL_UNAVAILABLE, TOO_LARGE, UNSUPPORTED_MEDIA
from trainer.contract.serving import TIMEOUT_HEADER, Classified, ImageResult, Member, ReplicaArgs

BATCH = {"cpu": 8, "cuda": 64}
"""Images computed at once. A CPU is as fast an image with 8 as with 64, and others wait less."""
INSIDE = 128
"""Images decoded, waiting or computed: a second or two of work. More are refused at once. One that is shown
in several views, or to several networks, counts as so many."""


class Metrics(Typing):
    """What is told of each request."""

    def stage(self, name: str, seconds: float) -> None: ...
    def batch(self, images: int) -> None: ...
    def refusal(self, status: int) -> None: ...


@dataclass(frozen=True)
class Asked:
    """A request, once it is read."""

    images: Sequence[bytes]
    top_k: int
    protocol: Protocol
    deadline: float | None
    """When whoever asks gives up, as a time of the monotonic clock."""


class Answering:
    """Lives in one event loop, with threads for what computes."""

    def __init__(self, args: ReplicaArgs, classifier: Classifier, metrics: Metrics) -> None:
        self._args, self._classifier, self._metrics = args, classifier, metrics
        # One: an engine computes one batch at a time, with as many threads of its own as it may have.
        self._network = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._decoders = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decoder")
        device = classifier.members[0].version.device.type
        limits = Limits(batch=BATCH[device], inside=INSIDE)
        self._batcher = Batcher(self._prepare, self._compute, limits, observe=metrics.stage)

    def who(self) -> Response:
        """Which version answers here, and with which engine; of an ensemble each member."""
        found = [
            {"model": each.model.name, "version": each.model.version, "engine": each.choice.name}
            for each in self._classifier.members
        ]
        if not self._args.ensemble:
            return JSONResponse(found[0])
        who = {"model": self._args.name, "version": self._args.version}
        return JSONResponse(who | {"ensemble": found})

    async def answer(self, request: Request) -> Response:
        """`Classified`, or a problem. It takes all that `POST /predict` takes."""
        try:
            return await self._answer(request)
        except Refused as error:
            refused = error
        except Full as error:
            after = error.retry_after_s
            refused = Refused(MODEL_UNAVAILABLE, str(error), retry_after_s=after)
        self._metrics.refusal(refused.kind.status)
        return response(refused)

    async def _answer(self, request: Request) -> Response:
        """Raises Refused, Full."""
        asked = await self._read(request)
        worth = images_worth(asked.protocol) * len(self._classifier.members)
        try:
            results = await self._batcher.ask(
                asked, images=len(asked.images) * worth, deadline=asked.deadline
            )
        except BadImage as error:
            raise _bad_image(error, len(asked.images)) from error
        except TooLate as error:
            raise Refused(MODEL_UNAVAILABLE, str(error), retry_after_s=1) from error
        began = time.monotonic()
        text = self._encoded(results, asked.protocol)
        self._metrics.stage("encode", time.monotonic() - began)
        return Response(text, media_type="application/json")

    async def _read(self, request: Request) -> Asked:
        """Raises Refused, Full."""
        question, deadline = reading.question(request, self._args), _deadline(request.headers)
        protocol = question.protocol or "center"
        self._check(protocol)
        # Before the body, which crosses from one process to another: many that are refused cost less.
        self._batcher.check(images_worth(protocol) * len(self._classifier.members))
        images = await reading.images(reading.bounded(request, self._args.max_bytes))
        most = INSIDE // images_worth(protocol)
        if len(images) > most:
            raise Refused(INVALID, f"send {most} images at most in a request by {protocol}")
        return Asked(images, question.top_k, protocol, deadline)

    def _check(self, protocol: Protocol) -> None:
        """Raises Refused when one of the networks cannot take the views."""
        try:
            for each in self._classifier.members:
                suits.check_protocol(each.version.meta.architecture, protocol)
        except suits.Unresolvable as error:
            raise at_fault(error.field, str(error), where="query") from error

    async def _prepare(self, asked: Asked) -> Question:
        loop = asyncio.get_running_loop()
        work = self._classifier.prepare
        pixels = await loop.run_in_executor(self._decoders, work, asked.images)
        return Question(pixels, asked.top_k, asked.protocol)

    async def _compute(self, questions: Sequence[Question]) -> Sequence[tuple[ImageResult, ...]]:
        self._metrics.batch(sum(question.images for question in questions))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._network, self._classifier.classify, questions)

    def _encoded(self, results: tuple[ImageResult, ...], protocol: Protocol) -> str:
        models = (each.model for each in self._classifier.members)
        members = tuple(Member(model=each.name, version=each.version) for each in models)
        return Classified(
            model=self._args.name,
            version=self._args.version,
            results=results,
            preprocessing="+".join(each.digest for each in self._classifier.transforms),
            protocol=protocol,
            ensemble=members if self._args.ensemble else None,
        ).model_dump_json()


def _bad_image(error: BadImage, count: int) -> Refused:
    """What is said of one of `count` images."""
    which = f"file {error.index + 1} of {count}: " if count > 1 else ""
    return Refused(TOO_LARGE if error.too_large else UNSUPPORTED_MEDIA, f"{which}{error}")


def _deadline(headers: Mapping[str, str]) -> float | None:
    """Raises Refused."""
    seconds = headers.get(TIMEOUT_HEADER)
    try:
        return None if seconds is None else time.monotonic() + float(seconds)
    except ValueError as error:
        raise Refused(INVALID, f"'{TIMEOUT_HEADER}' is a number of seconds") from error
