"""A process takes on only so much at once, and what it refuses costs it little."""

import asyncio
import http.client
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from service.deployments.answering import Who, who
from service.deployments.deployment import PENDING, Canary, Deployment, Desired, Replicas
from service.errors import Malformed, ModelUnavailable, ServiceError
from service.predict.room import HELD, INSIDE, ON_A_CPU, ON_A_GPU, Room
from tests.api.conftest import KEY, listening
from tests.serving.pictures import png
from tests.serving.replicas import AT, PNG, World
from tests.waiting import until


async def sent(*pieces: bytes, pause_s: float = 0) -> AsyncIterator[bytes]:
    """A body that comes so."""
    for piece in pieces:
        await asyncio.sleep(pause_s)
        yield piece


def held(room: Room, body: AsyncIterator[bytes], within_s: float = 60) -> tuple[bytes, int]:
    """A body, and what was held with it; afterwards all of that is given back."""
    before = room.held

    async def hold() -> tuple[bytes, int]:
        async with room.holding(body, within_s=within_s) as whole:
            return whole, room.held

    try:
        return asyncio.run(hold())
    finally:
        assert room.held == before


def filled(room: Room, who: Who) -> int:
    """How many may ask it before the next is refused."""
    with ExitStack() as inside:
        for count in itertools.count():
            try:
                inside.enter_context(room.asked("default", who))
            except ModelUnavailable:
                return count
    raise AssertionError("it never ends")


@pytest.mark.parametrize("takes", [ON_A_CPU, ON_A_GPU])
def test_replicas_are_asked_as_much_at_once_as_they_take(takes: int) -> None:
    one = Replicas(min=1, max=1)
    desired = Desired(version=1, alias=None, replicas=Replicas(min=1, max=2))
    two = Deployment("default", "two", desired, 1, 1, PENDING, None, AT)
    tries = desired.model_copy(update={"canary": Canary(version=2, percent=10, replicas=one)})
    room = Room(takes)
    with room.asked("default", who(replace(two, name="other"), None)):
        assert filled(room, who(two, None)) == 2 * takes
        assert filled(room, who(replace(two, desired=tries), None)) == 3 * takes
    assert room.asking.total() == 0


def test_more_predictions_than_one_process_takes_are_refused_at_once() -> None:
    room = Room(inside=INSIDE - 1)
    with room, pytest.raises(ModelUnavailable, match="try again in a moment"), room:
        pass
    assert room.inside == INSIDE - 1


def test_a_body_is_held_until_it_is_answered() -> None:
    room = Room(held=10)
    assert held(room, sent(b"ab", b"", b"cd")) == (b"abcd", 14)


def test_bodies_are_held_up_to_a_bound() -> None:
    room = Room(held=HELD - 4)
    assert held(room, sent(b"abcd")) == (b"abcd", HELD)
    with pytest.raises(ModelUnavailable, match="512 MiB"):
        held(room, sent(b"ab", b"cd", b"e"))


def test_a_body_that_comes_too_slowly_is_refused() -> None:
    with pytest.raises(Malformed, match=r"did not come within 0\.05 s"):
        held(Room(), sent(*[b"a"] * 1000, pause_s=0.01), within_s=0.05)


def test_an_answer_that_takes_long_is_not_a_body_that_does() -> None:
    async def slow() -> None:
        async with Room().holding(sent(b"a"), within_s=0.01):
            await asyncio.sleep(0.05)

    asyncio.run(slow())


def test_what_fails_while_a_body_is_held_gives_it_back() -> None:
    room = Room()

    async def fail() -> None:
        async with room.holding(sent(b"a")):
            raise ServiceError("no")

    with pytest.raises(ServiceError):
        asyncio.run(fail())
    assert room.held == 0


def begun(address: str, headers: dict[str, str]) -> http.client.HTTPConnection:
    """A request whose body is still to come."""
    client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
    client.putrequest("POST", "/predict?model=digits")
    for name, value in headers.items():
        client.putheader(name, value)
    client.endheaders()
    return client


def test_who_sends_slowly_is_in_nobodys_way(world: World) -> None:
    room, body = world.service.app.state.parts.predictor.room, png()
    headers = PNG | {"Authorization": f"Bearer {KEY}", "Content-Length": str(len(body))}
    with listening(world.service.app) as address:
        slow = [begun(address, headers) for _ in range(2 * ON_A_CPU)]
        until(lambda: room.inside == len(slow), within_s=30)
        quick = begun(address, headers)
        quick.send(body)
        assert quick.getresponse().status == 200
        for each in slow:
            each.send(body)
            assert each.getresponse().status == 200
        for each in (*slow, quick):
            each.close()
    assert (room.inside, room.held) == (0, 0)


def test_who_is_refused_for_want_of_room_need_not_have_sent_its_body(world: World) -> None:
    """And the connection goes on: the body that comes all the same is not taken for a request."""
    room = world.service.app.state.parts.predictor.room
    body = png()
    headers = PNG | {"Authorization": f"Bearer {KEY}", "Content-Length": str(len(body))}
    with listening(world.service.app) as address:
        room.asking["default", "digits"] = ON_A_CPU
        client = begun(address, headers)
        answer = client.getresponse()
        assert (answer.status, b"at once" in answer.read()) == (503, True)
        assert answer.headers["Retry-After"]
        assert world.asked == []
        assert client.sock is not None
        client.sock.sendall(body)
        room.asking.clear()
        client.request("POST", "/predict?model=digits", body, headers)
        assert client.getresponse().status == 200
        client.close()


def test_who_is_refused_over_and_over_waits_for_it_and_who_is_accepted_does_not(
    world: World,
) -> None:
    predictor, body = world.service.app.state.parts.predictor, png()
    predictor.refusals.a_second, predictor.refusals.at_once = 5, 1
    headers = PNG | {"Authorization": f"Bearer {KEY}", "Content-Length": str(len(body))}
    with listening(world.service.app) as address:
        predictor.room.asking["default", "digits"] = ON_A_CPU
        began = time.monotonic()
        refused = [begun(address, headers) for _ in range(4)]
        answers = [client.getresponse() for client in refused[:2]]
        predictor.room.asking.clear()
        accepted = begun(address, headers)
        accepted.send(body)
        assert accepted.getresponse().status == 200
        assert predictor.room.inside == 2  # the last two are still to hear it
        answers += [client.getresponse() for client in refused[2:]]
        assert [answer.status for answer in answers] == [503] * 4
        assert time.monotonic() - began >= 3 / 5
        for client in (*refused, accepted):
            client.close()
