"""Predictions: finds who answers, sends the images there, and puts failures into this service's words."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from anyio import to_thread
from pydantic import ValidationError

from service.deployments import plan
from service.deployments.service import Deployments
from service.errors import (
    Invalid,
    ModelUnavailable,
    ServiceError,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from service.predict.schemas import Question
from trainer.contract.serving import MAX_IMAGES, Classified, Refusal, pack

REFUSED: dict[int, type[ServiceError]] = {413: TooLarge, 415: UnsupportedMedia, 422: Invalid}
TIMEOUT = httpx.Timeout(60, connect=5)  # seconds


@dataclass(frozen=True)
class Predictor:
    """Images → classes, by whatever version answers. Knows no HTTP but the replicas'."""

    deployments: Deployments
    replicas: httpx.AsyncClient
    """Of Ray Serve's HTTP proxy."""

    async def predict(
        self, project: str, question: Question, images: Sequence[bytes]
    ) -> Classified:
        """The most probable classes of each image."""
        if not 0 < len(images) <= MAX_IMAGES:
            raise Invalid(f"Send 1 to {MAX_IMAGES} images in a request, not {len(images)}.")
        body = pack(images)
        who, response = await self._ask(project, question, body)
        if response.status_code == httpx.codes.NOT_FOUND:
            # A switch to another version came between finding and asking: find anew.
            who, response = await self._ask(project, question, body)
        return _read(response, *who, count=len(images))

    async def close(self) -> None:
        await self.replicas.aclose()

    async def _ask(
        self, project: str, question: Question, body: bytes
    ) -> tuple[tuple[str, int], httpx.Response]:
        """Model and version that were asked, and what they said."""
        who = await to_thread.run_sync(
            lambda: self.deployments.answering(
                project, question.model, version=question.version, alias=question.alias
            )
        )
        return who, await self._post(plan.route(project, *who), body, question.top_k)

    async def _post(self, path: str, body: bytes, top_k: int) -> httpx.Response:
        try:
            return await self.replicas.post(path, content=body, params={"top_k": top_k})
        except httpx.TimeoutException as error:
            raise Unavailable(
                "The model took too long to answer; send fewer images, or add replicas."
            ) from error
        except httpx.HTTPError as error:
            raise ModelUnavailable(
                "The model's replicas do not answer; try again in a moment. GET /readyz shows "
                "which part is away."
            ) from error


def connect(address: str) -> httpx.AsyncClient:
    """A client of Ray Serve's HTTP proxy; nothing is asked of it yet."""
    # The proxy closes idle connections after 90 s; one that it may be closing is not used.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50, keepalive_expiry=30)
    return httpx.AsyncClient(base_url=address, timeout=TIMEOUT, limits=limits, trust_env=False)


def _read(response: httpx.Response, model: str, version: int, *, count: int) -> Classified:
    """A replica's answer. Raises what its refusal, or the proxy's, means to a client."""
    try:
        if response.is_success:
            return Classified.model_validate_json(response.content)
        refusal = Refusal.model_validate_json(response.content)
    except ValidationError as error:  # not a replica's words but the proxy's
        raise ModelUnavailable(
            f"Version {version} of '{model}' does not answer now (it is restarting, or has too "
            f"many requests); try again in a moment. GET /models/{model}/deployment shows its state."
        ) from error
    said = refusal.detail
    if refusal.index is not None and count > 1:
        said = f"file {refusal.index + 1} of {count}: {said}"
    raise REFUSED.get(refusal.status, ModelUnavailable)(f"{said[:1].upper()}{said[1:]}.")
