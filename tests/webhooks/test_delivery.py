"""What reaches a receiver, and what of its answer is kept."""

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from socket import socket
from typing import Any

import pytest

from service.webhooks import receiving
from service.webhooks.delivery import SAID_CHARACTERS, Answer, Messenger
from service.webhooks.signing import new_secret, signed
from tests.webhooks.receiver import SECRET, Receiver, Say, messenger

MESSAGE = {"type": "job.running", "data": {"job": "job-1", "reason": "ümlaut"}}


def send(by: Messenger, receiver: Receiver, secret: str = SECRET) -> Answer:
    return asyncio.run(by.send(receiver.url, MESSAGE, message_id="msg-1", secret=secret))


def documented() -> Callable[[str, dict[str, str], bytes], bool]:
    """The function by which the API's document lets receivers verify."""
    example = re.search(r"```python\n(.*?)```", receiving.DESCRIPTION, re.DOTALL)
    assert example
    names: dict[str, Any] = {}
    exec(example[1], names)
    found: Callable[[str, dict[str, str], bytes], bool] = names["is_genuine"]
    return found


def test_a_receiver_verifies_what_it_gets_as_the_document_says(receiver: Receiver) -> None:
    secret = new_secret(lambda count: bytes(range(count)))
    assert send(messenger(receiver), receiver, secret).taken
    (got,) = receiver.got
    is_genuine = documented()
    assert is_genuine(secret, got.headers, got.body)
    assert json.loads(got.body) == MESSAGE
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "msg-1"
    assert not is_genuine(SECRET, got.headers, got.body)
    assert not is_genuine(secret, got.headers, got.body + b" ")
    assert not is_genuine(secret, got.headers | {"webhook-id": "msg-2"}, got.body)
    assert not is_genuine(secret, got.headers | {"webhook-timestamp": "1"}, got.body)


def test_the_signature_is_that_of_the_specification_s_example() -> None:
    headers = signed(
        SECRET,
        message_id="msg_loFOjxBNrRLzqYUf",
        at=datetime.fromtimestamp(1731705121, UTC),
        body=b'{"event_type":"ping","data":{"success":true}}',
    )
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, other: Receiver, status: int) -> None:
    receiver.says = [Say(status, headers={"Location": other.url})]
    answer = send(messenger(receiver, other), receiver)
    assert not answer.taken
    assert answer.error == f"answered {status}: redirects are not followed"
    assert (len(receiver.got), other.got) == (1, [])


@pytest.mark.parametrize(
    ("status", "taken"), [(200, True), (204, True), (299, True), (400, False), (500, False)]
)
def test_only_a_success_takes_the_message(receiver: Receiver, status: int, taken: bool) -> None:
    receiver.says = [Say(status)]
    answer = send(messenger(receiver), receiver)
    assert (answer.status, answer.taken) == (status, taken)
    assert answer.error == (None if taken else f"answered {status}")


def test_of_a_long_answer_the_beginning_is_kept_without_signs_that_are_no_text(
    receiver: Receiver,
) -> None:
    receiver.says = [Say(500, b"no\0pe \x1b[31m\xff " + b"x" * 10_000_000)]
    answer = send(messenger(receiver), receiver)
    assert answer.said.startswith("no pe  [31m")
    assert answer.said.isprintable()
    assert len(answer.said) <= SAID_CHARACTERS
    assert answer.error is not None
    assert len(answer.error) <= SAID_CHARACTERS


def test_an_answer_without_end_is_read_only_to_what_is_kept(receiver: Receiver) -> None:
    receiver.says, receiver.dripping = [Say(200, b"x" * 10_000)], True
    assert send(messenger(receiver), receiver).taken


@pytest.mark.parametrize("way", ["silent", "dripping"])
def test_a_receiver_that_takes_too_long_is_left(receiver: Receiver, way: str) -> None:
    setattr(receiver, way, True)
    answer = send(messenger(receiver, timeout_s=0.3), receiver)
    assert (answer.taken, answer.said) == (False, "no answer within 0.3 s")


def test_a_receiver_that_is_not_there_is_said_to_be_so() -> None:
    with closing(socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Receiver(f"http://127.0.0.1:{taken.getsockname()[1]}/")
        answer = send(messenger(nobody), nobody)
    assert not answer.taken
    assert answer.said.startswith("not reached: ")


def test_a_host_that_is_no_longer_allowed_gets_nothing(receiver: Receiver, other: Receiver) -> None:
    answer = send(messenger(other), receiver)
    assert not answer.taken
    assert "not allowed" in answer.said
    assert receiver.got == []
