"""Predictions: finds who answers, sends the images there, and puts failures into this service's words."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

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
from trainer.contract.serving import MAX_IMAGES, TIMEOUT_HEADER, Classified, Refusal, pack

REFUSED: dict[int, type[ServiceError]] = {413: TooLarge, 415: UnsupportedMedia, 422: Invalid}
WAITS_S = 60
TIMEOUT = httpx.Timeout(WAITS_S, connect=5)  # seconds
LOST = frozenset({404, 500, 502})
"""What Ray Serve's proxy says when a version, or a replica in the middle of a request, is gone."""
ALL = 2**31 - 1
"""Classes: a replica gives those that there are."""

Outcome = httpx.Response | httpx.HTTPError
"""Of a request to a replica."""


@dataclass(frozen=True)
class Predictor:
    """Images → classes, by whatever version answers. Knows no HTTP but the replicas'."""

    deployments: Deployments
    replicas: httpx.AsyncClient
    """Of Ray Serve's HTTP proxy."""
    dice: Callable[[], float]
    """From 0 to below 1: who answers, when there is a canary."""

    async def predict(  # noqa: PLR0913 - one parameter for each of the question's
        self,
        project: str,
        images: Sequence[bytes],
        *,
        model: str | None,
        version: int | None = None,
        alias: str | None = None,
        top_k: int | None,
        key: str | None = None,
    ) -> Classified:
        """The `top_k` most probable classes of each image, all of them if it is None. Requests with the
        same `key` are answered by the same version."""
        if not 0 < len(images) <= MAX_IMAGES:
            raise Invalid(f"Send 1 to {MAX_IMAGES} images in a request, not {len(images)}.")
        find = partial(self.deployments.answering, project, model, version=version, alias=alias)
        who = await to_thread.run_sync(partial(find, dice=dice_of(key) if key else self.dice()))
        query, body = {"top_k": top_k or ALL}, pack(images)
        outcome = await self._post(plan.route(project, *who), body, query)
        if _failed(outcome):
            # A replica died, or a switch to another version came between finding and asking. What a
            # canary cannot answer is not the client's loss: the version that serves does. That one, if
            # it only has too much to do, is not given more.
            other = await to_thread.run_sync(find)
            if other != who or _lost(outcome):
                who, outcome = other, await self._post(plan.route(project, *other), body, query)
        return _read(outcome, *who, count=len(images))

    async def close(self) -> None:
        await self.replicas.aclose()

    async def _post(self, path: str, body: bytes, query: dict[str, int]) -> Outcome:
        waits = {TIMEOUT_HEADER: str(WAITS_S)}  # nothing is computed that nobody waits for
        try:
            return await self.replicas.post(path, content=body, params=query, headers=waits)
        except httpx.HTTPError as error:
            return error


def connect(address: str) -> httpx.AsyncClient:
    """A client of Ray Serve's HTTP proxy; nothing is asked of it yet."""
    # The proxy closes idle connections after 90 s; one that it may be closing is not used.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50, keepalive_expiry=30)
    return httpx.AsyncClient(base_url=address, timeout=TIMEOUT, limits=limits, trust_env=False)


def dice_of(key: str) -> float:
    """From 0 to below 1, the same for the same key."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


def _failed(outcome: Outcome) -> bool:
    """Whether another replica may well answer. Asking twice does no harm: to classify changes nothing."""
    return _lost(outcome) or (
        isinstance(outcome, httpx.Response)
        and outcome.status_code == httpx.codes.SERVICE_UNAVAILABLE
    )


def _lost(outcome: Outcome) -> bool:
    """Whether the replica, or the way to it, is gone; one that is slow is not."""
    if isinstance(outcome, httpx.HTTPError):
        return not isinstance(outcome, httpx.TimeoutException)
    return outcome.status_code in LOST


def _read(outcome: Outcome, model: str, version: int, *, count: int) -> Classified:
    """A replica's answer. Raises what its refusal, the proxy's, or its silence means to a client."""
    if isinstance(outcome, httpx.TimeoutException):
        raise Unavailable(
            "The model took too long to answer; send fewer images, or add replicas."
        ) from outcome
    if isinstance(outcome, httpx.HTTPError):
        raise ModelUnavailable(
            "The model's replicas do not answer; try again in a moment. GET /readyz shows "
            "which part is away."
        ) from outcome
    try:
        if outcome.is_success:
            return Classified.model_validate_json(outcome.content)
        refusal = Refusal.model_validate_json(outcome.content)
    except ValidationError as error:  # not a replica's words but the proxy's
        raise ModelUnavailable(
            f"Version {version} of '{model}' does not answer now (it is restarting, or has too "
            f"many requests); try again in a moment. GET /models/{model}/deployment shows its state."
        ) from error
    raise _refused(refusal, count)


def _refused(refusal: Refusal, count: int) -> ServiceError:
    """What a replica says of one of `count` images."""
    said = refusal.detail
    if refusal.index is not None and count > 1:
        said = f"file {refusal.index + 1} of {count}: {said}"
    return REFUSED.get(refusal.status, ModelUnavailable)(f"{said[:1].upper()}{said[1:]}.")
