"""Predictions: finds who answers, passes the body on, and puts what Ray Serve's proxy says into this
service's words. What a replica says goes on as it is."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

import httpx
from anyio import sleep, to_thread

from service.deployments import answering
from service.deployments.answering import NOT_THE_CANARY, Who
from service.deployments.known import Known
from service.errors import Invalid, ModelUnavailable, NotFound, Unavailable
from service.models.service import Models
from service.predict.answers import own_words
from service.predict.pace import Pace
from service.predict.room import Room
from service.predict.waiting import while_serving
from service.predict.ways import Posted, Ways
from service.problems import PART_FAILURES
from trainer.contract.evaluation import Protocol

LOST = frozenset({404, 500, 502})
"""What Ray Serve's proxy says when a version, or a replica in the middle of a request, is gone."""
ALL = 2**31 - 1
"""Classes: a replica gives those that there are."""
Outcome = httpx.Response | httpx.HTTPError
"""Of a request to a replica."""


@dataclass(frozen=True)
class Sent:
    """A body as the client sent it."""

    kind: str
    """Its Content-Type."""
    pieces: Callable[[], AsyncIterator[bytes]]
    """Reads it."""


@dataclass(frozen=True)
class Predictor:
    """Images → classes, by whatever version answers. Knows no HTTP but the replicas'."""

    known: Known
    models: Models
    replicas: Ways
    dice: Callable[[], float]
    """From 0 to below 1: who answers, when there is a canary."""
    room: Room = field(default_factory=Room)
    refusals: Pace = field(default_factory=Pace)

    async def ask(  # noqa: PLR0913 - one parameter for each of the question's
        self,
        project: str,
        sent: Sent,
        *,
        model: str | None,
        version: int | None = None,
        alias: str | None = None,
        protocol: Protocol | None = None,
        top_k: int | None,
        key: str | None = None,
    ) -> httpx.Response:
        """A replica's own answer, or refusal: of each image the `top_k` most probable classes, all of them if
        it is None. Requests with the same `key` are answered by the same version. Raises what it means
        when no replica says anything, or nobody is there to ask."""
        with self.room:
            dice = dice_of(key) if key else self.dice()
            find = partial(self._who, project, model, version, alias)
            try:
                who = await find(dice)
            except (NotFound, Invalid):
                async with self.room.holding(sent.pieces()):
                    raise  # a body that is too large is that, whoever would answer
            await self._check(project, who)  # before the body: many that are refused cost little
            async with self.room.holding(sent.pieces()) as body:
                query = {"top_k": top_k or ALL, "protocol": protocol or who.protocol}
                put = partial(self._put, project, Posted(sent.kind, body, query))
                outcome = await put(who)
                if _failed(outcome):
                    # A replica died, or a switch to another version came between finding and asking, or while
                    # the one before had no replica. What a canary cannot answer is not the client's loss:
                    # the version that serves does. That one, if it only has too much to do, is not given
                    # more.
                    other = await find(NOT_THE_CANARY, anew=True)
                    if other != who or _lost(outcome):
                        who, outcome = other, await put(other)
        return _answered(outcome, who)

    async def close(self) -> None:
        await self.replicas.close()

    async def _who(  # noqa: PLR0913 - as above
        self,
        project: str,
        model: str | None,
        version: int | None,
        alias: str | None,
        dice: float,
        *,
        anew: bool = False,
    ) -> Who:
        """Raises NotFound, Invalid or ModelUnavailable."""
        found = answering.named(await self.known.of_project(project, anew=anew), model)
        if alias is not None:
            named = partial(self.models.aliased, project, found.name, alias)
            version = await to_thread.run_sync(named)
        return answering.who(found, version, dice)

    async def _check(self, project: str, who: Who) -> None:
        """Raises ModelUnavailable when the replicas have as many as they take, at the pace of refusals."""
        try:
            self.room.check(project, who)
        except ModelUnavailable:
            await sleep(self.refusals.turn())
            raise

    async def _put(self, project: str, posted: Posted, who: Who) -> Outcome:
        """Raises ModelUnavailable when nobody is asked: too many are already."""
        try:
            with self.room.asked(project, who):
                whose = project, who.model, who.version
                asking = self.replicas.ask(whose, posted, steady=who.steady)
                return await while_serving(asking, partial(self._serves, project, who))
        except httpx.HTTPError as error:
            return error

    async def _serves(self, project: str, who: Who) -> bool:
        try:
            found = answering.named(await self.known.of_project(project), who.model)
        except NotFound:
            return False
        except PART_FAILURES:  # nobody can say: it may well answer
            return True
        return who.version in found.answering


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
    return outcome.status_code in LOST and not own_words(outcome)


def _answered(outcome: Outcome, who: Who) -> httpx.Response:
    """A replica's own words. Raises what the proxy's, or silence, mean to a client."""
    if isinstance(outcome, httpx.TimeoutException):
        raise Unavailable(
            "The model took too long to answer; send fewer images, or add replicas."
        ) from outcome
    if isinstance(outcome, httpx.HTTPError):
        raise ModelUnavailable(
            "The model's replicas do not answer; try again in a moment. GET /readyz shows "
            "which part is away."
        ) from outcome
    if not own_words(outcome):
        raise ModelUnavailable(
            f"Version {who.version} of '{who.model}' does not answer now (it is restarting, or has too many "
            f"requests); try again in a moment. GET /models/{who.model}/deployment shows its state."
        )
    return outcome
