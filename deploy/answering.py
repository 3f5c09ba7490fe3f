"""From a request's bytes to a replica's answer: decoded beside the network, computed in batches. No Ray."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from starlette.responses import JSONResponse, Response

from deploy.batcher import Batcher, Full, Limits, TooLate
from deploy.classifier import Classifier, Question, Refused
from trainer.contract.serving import (
    TIMEOUT_HEADER,
    Classified,
    ImageResult,
    Refusal,
    ReplicaArgs,
    unpack,
)

BATCH = {"cpu": 8, "cuda": 64}
"""Images computed at once. A CPU is as fast an image with 8 as with 64, and others wait less."""
INSIDE = 128
"""Images decoded, waiting or computed: a second or two of work. More are refused at once."""


class Request(Protocol):
    """What is read of a request besides its body."""

    @property
    def query_params(self) -> Mapping[str, str]: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Metrics(Protocol):
    """What is told of each request."""

    def stage(self, name: str, seconds: float) -> None: ...
    def batch(self, images: int) -> None: ...
    def refusal(self, status: int) -> None: ...


class Answering:
    """Lives in one event loop, with threads for what computes."""

    def __init__(self, args: ReplicaArgs, classifier: Classifier, metrics: Metrics) -> None:
        self._args, self._classifier, self._metrics = args, classifier, metrics
        # One: an engine computes one batch at a time, with as many threads of its own as it may have.
        self._network = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._decoders = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decoder")
        limits = Limits(batch=BATCH[classifier.version.device.type], inside=INSIDE)
        self._batcher = Batcher(self._prepare, self._compute, limits, observe=metrics.stage)

    def who(self) -> Response:
        """Which version answers here, and with which engine."""
        who = {"model": self._args.name, "version": self._args.version}
        return JSONResponse(who | {"engine": self._classifier.choice.name})

    async def answer(self, body: bytes, request: Request) -> Response:
        """`Classified`, or a `Refusal` with its status."""
        try:
            images, top_k = unpack(body), int(request.query_params.get("top_k", "5"))
            deadline = _deadline(request.headers)
            results = await self._batcher.ask(
                (images, top_k), images=len(images), deadline=deadline
            )
        except Refused as error:
            return self._refuse(error.status, str(error), index=error.index)
        except Full as error:
            return self._refuse(503, str(error), retry_after_s=error.retry_after_s)
        except TooLate as error:
            return self._refuse(503, str(error), retry_after_s=1)
        except ValueError as error:
            return self._refuse(422, str(error))
        began = time.monotonic()
        text = self._encoded(results)
        self._metrics.stage("encode", time.monotonic() - began)
        return Response(text, media_type="application/json")

    async def _prepare(self, asked: tuple[Sequence[bytes], int]) -> Question:
        images, top_k = asked
        loop = asyncio.get_running_loop()
        pixels = await loop.run_in_executor(self._decoders, self._classifier.prepare, images)
        return Question(pixels, top_k)

    async def _compute(self, questions: Sequence[Question]) -> Sequence[tuple[ImageResult, ...]]:
        self._metrics.batch(sum(len(question.pixels) for question in questions))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._network, self._classifier.classify, questions)

    def _encoded(self, results: tuple[ImageResult, ...]) -> str:
        return Classified(
            model=self._args.name,
            version=self._args.version,
            results=results,
            preprocessing=self._classifier.version.meta.transform.digest,
        ).model_dump_json()

    def _refuse(
        self,
        status: int,
        detail: str,
        *,
        index: int | None = None,
        retry_after_s: int | None = None,
    ) -> Response:
        self._metrics.refusal(status)
        refusal = Refusal(status=status, detail=detail, index=index)
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s else None
        return Response(refusal.model_dump_json(), status, headers, media_type="application/json")


def _deadline(headers: Mapping[str, str]) -> float | None:
    """When whoever asks gives up, as a time of the monotonic clock. Raises ValueError."""
    seconds = headers.get(TIMEOUT_HEADER)
    return None if seconds is None else time.monotonic() + float(seconds)
