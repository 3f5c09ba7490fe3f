"""A request goes to a replica's own door when it can, and by Ray Serve's proxy whenever it cannot."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from deploy.refusing import Refused, response
from service.predict.ways import Posted, Ways
from tests.serving.replicas import as_httpx
from trainer.contract.doors import HEADER, WHERE, Door
from trainer.contract.problems import MODEL_UNAVAILABLE

ONE = ("default", "digits", 1)
DOOR = Door("10.0.0.2", 21_000, "key")
POSTED = Posted("image/png", b"image", {"top_k": 5, "protocol": "center"})


def fine(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def fails(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return fail


@dataclass
class Serve:
    """A replica, its door and the proxy before it."""

    at_the_door: Callable[[httpx.Request], httpx.Response] = fine
    by_the_proxy: Callable[[httpx.Request], httpx.Response] = fine
    seen: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)
    last: httpx.Request | None = None

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.last = request
        if request.url.host == DOOR.host:
            self.seen.append("door")
            assert request.headers[HEADER] == DOOR.key
            return self.at_the_door(request)
        self.seen.append("proxy")
        assert request.headers[HEADER] == WHERE
        answer = self.by_the_proxy(request)
        answer.headers[HEADER] = DOOR.said
        return answer

    def asked(self, times: int, *, steady: int = 1) -> list[int]:
        """The statuses of so many questions, one after the other."""

        async def ask() -> list[int]:
            client = httpx.AsyncClient(
                base_url="http://serve", transport=httpx.MockTransport(self.answer)
            )
            ways = Ways(client, count=self.counted.append)
            found = [await ways.ask(ONE, POSTED, steady=steady) for _ in range(times)]
            await ways.close()
            assert self.counted == self.seen
            return [each.status_code for each in found]

        return asyncio.run(ask())


def test_the_first_answer_tells_of_the_door_and_the_next_question_goes_there() -> None:
    serve = Serve()
    assert serve.asked(3) == [200] * 3
    assert serve.seen == ["proxy", "door", "door"]
    assert serve.last
    assert str(serve.last.url).startswith(f"{DOOR.url}/default/digits/1/predict?")
    assert serve.last.content == b"image"


def test_where_the_number_of_replicas_follows_the_load_all_goes_by_the_proxy() -> None:
    """Ray Serve counts what goes by its own ways only."""
    serve = Serve()
    assert serve.asked(3, steady=0) == [200] * 3
    assert serve.seen == ["proxy"] * 3


@pytest.mark.parametrize(
    "lost",
    [
        httpx.RemoteProtocolError("closed"),
        httpx.ReadError("reset"),
        httpx.Response(401),
        httpx.Response(500, text="Internal Server Error"),
    ],
)
def test_what_a_door_cannot_answer_the_proxy_does(lost: Exception | httpx.Response) -> None:
    serve = Serve()
    serve.at_the_door = fails(lost) if isinstance(lost, Exception) else lambda _: lost
    assert serve.asked(3) == [200] * 3
    assert serve.seen == ["proxy", "door", "proxy", "door", "proxy"]


@pytest.mark.parametrize("nobody", [httpx.ConnectError("refused"), httpx.ConnectTimeout("closed")])
def test_a_door_to_which_there_is_no_way_is_tried_once(nobody: Exception) -> None:
    serve = Serve(at_the_door=fails(nobody))
    assert serve.asked(4) == [200] * 4
    assert serve.seen == ["proxy", "door", "proxy", "proxy", "proxy"]


def test_a_replica_that_is_slow_is_asked_no_second_time() -> None:
    serve = Serve(at_the_door=fails(httpx.ReadTimeout("slow")))
    with pytest.raises(httpx.ReadTimeout):
        serve.asked(2)
    assert serve.seen == ["proxy", "door"]


def test_a_refusal_at_the_door_is_an_answer() -> None:
    said = Refused(MODEL_UNAVAILABLE, "too much", retry_after_s=1)
    serve = Serve(at_the_door=lambda _: as_httpx(response(said)))
    assert serve.asked(3) == [200, 503, 503]
    assert serve.seen == ["proxy", "door", "door"]
