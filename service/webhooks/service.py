"""What can be done with webhooks. Knows no HTTP routes and no SQL."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from anyio import to_thread

from service.errors import Conflict, NotFound
from service.lifecycle import State
from service.webhooks.delivery import Answer, Messenger
from service.webhooks.outbox import rfc3339
from service.webhooks.store import Tried, Webhook, WebhookStore

MOST = 20
"""Webhooks of a project: each costs a row at each change of a state."""


@dataclass(frozen=True)
class Webhooks:
    store: WebhookStore
    messenger: Messenger
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    new_secret: Callable[[], str]

    def create(self, project: str, url: str, states: Iterable[State] | None = None) -> Webhook:
        """Raises Invalid for a URL that may not be sent to, and Conflict when there are too many."""
        self.messenger.hosts.check(url)
        if len(self.store.of(project)) >= MOST:
            raise Conflict(f"A project has {MOST} webhooks at most; delete one of them first.")
        only = tuple(dict.fromkeys(states)) if states is not None else None
        made = Webhook(self.new_id(), project, url, self.new_secret(), only, self.clock())
        self.store.insert(made)
        return made

    def list(self, project: str) -> list[tuple[Webhook, Tried | None]]:
        """A project's webhooks, newest first, each with what came of its last message."""
        tried = self.store.last_tried(project)
        return [(webhook, tried.get(webhook.id)) for webhook in self.store.of(project)]

    def delete(self, project: str, webhook_id: str) -> None:
        """Raises NotFound."""
        if not self.store.delete(project, webhook_id):
            raise _missing(webhook_id)

    async def test(self, project: str, webhook_id: str) -> Answer:
        """What the receiver says to a message that is sent now, once. Raises NotFound."""
        webhook = await to_thread.run_sync(self.store.get, project, webhook_id)
        if webhook is None:
            raise _missing(webhook_id)
        now = self.clock()
        message = {
            "type": "webhook.test",
            "timestamp": rfc3339(now),
            "data": {"webhook": webhook.id},
        }
        name = f"msg-{int(now.timestamp() * 1000)}-test"
        return await self.messenger.send(
            webhook.url, message, message_id=name, secret=webhook.secret
        )


def _missing(webhook_id: str) -> NotFound:
    return NotFound(f"There is no webhook '{webhook_id}'; GET /webhooks lists yours.")
