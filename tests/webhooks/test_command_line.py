"""`residual webhooks` against a running service."""

from tests.keys.command import Command
from tests.webhooks.receiver import Receiver, Say
from tests.webhooks.test_delivery import documented


def test_a_webhook_is_made_tried_listed_and_deleted(url: str, receiver: Receiver) -> None:
    residual = Command(url)
    states = ("--state=failed", "--state=succeeded")
    (secret,) = residual.run("webhooks", "create", receiver.url, *states)
    (row,) = residual.run("webhooks", "list")
    webhook, *shown = row.split()
    assert shown == [receiver.url, "failed,succeeded", "nothing", "sent", "yet"]
    receiver.says = [Say(200, b"thank you"), Say(500, b"no")]
    assert residual.run("webhooks", "test", webhook) == ["delivered: 200 thank you"]
    assert "did not take it: 500 no" in residual.failure("webhooks", "test", webhook)
    assert all(documented()(secret, got.headers, got.body) for got in receiver.got)
    assert residual.run("webhooks", "delete", webhook) == []
    assert "not allowed" in residual.failure("webhooks", "create", "https://example.com/")
