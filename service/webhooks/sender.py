"""Sends what is in the outbox. The reconciler ticks it; slow receivers hold up their own thread only."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Thread

import structlog

from service.webhooks.delivery import Messenger
from service.webhooks.outbox import Delivery, Outbox

AT_ONCE = 8
"""Webhooks that are sent to at the same time, each by its own thread."""
A_TURN = 20
"""Messages that a webhook gets before it is others' turn."""

WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600, 3 * 3600, 7 * 3600, 13 * 3600)
)
"""Before each further try. They come to a day: a receiver may be away over night."""
KEPT = timedelta(days=7)
"""How long what was sent can be looked at."""
FORGET_EVERY = timedelta(minutes=10)


@dataclass
class Sender:
    """One thread ticks it. What a program leaves unsent, or sent but not noted, is sent again by the
    next one: at least once."""

    outbox: Outbox
    messenger: Messenger
    clock: Callable[[], datetime]
    count: Callable[[str], None] = lambda _: None
    """Is told what came of each message: taken, failed or given_up."""
    _threads: dict[str, Thread] = field(default_factory=dict)
    """By webhook."""
    _last: dict[str, datetime] = field(default_factory=dict)
    """When each webhook that something is due to had its last turn."""
    _forgot_at: datetime | None = None

    def tick(self) -> None:
        """Begin to send what is due, and wait for nothing."""
        now = self.clock()
        busy = {webhook: thread for webhook, thread in self._threads.items() if thread.is_alive()}
        due = [webhook for webhook in self.outbox.webhooks_due(now) if webhook not in busy]
        # Else those with a long backlog, and nobody to take it, would come first again and again.
        due.sort(key=lambda webhook: self._last.get(webhook, datetime.min.replace(tzinfo=UTC)))
        for webhook in due[: AT_ONCE - len(busy)]:
            # A daemon: the end of the program must not wait for a receiver.
            busy[webhook] = Thread(target=self._turn, args=(webhook,), name=webhook, daemon=True)
            busy[webhook].start()
            self._last[webhook] = now
        self._threads = busy
        known = {*busy, *due}
        self._last = {webhook: at for webhook, at in self._last.items() if webhook in known}
        if self._forgot_at is None or now - self._forgot_at >= FORGET_EVERY:
            self.outbox.forget(now - KEPT)
            self._forgot_at = now

    def wait(self) -> None:
        """Until all that the last tick began is done."""
        for thread in self._threads.values():
            thread.join()

    def _turn(self, webhook: str) -> None:
        try:
            for delivery in self.outbox.due(webhook, self.clock(), limit=A_TURN):
                if not self._sent(delivery):
                    return  # it would hardly take the others; they are tried in a later turn
        except Exception as error:  # noqa: BLE001 - nobody else would see it; the next turn goes on
            structlog.get_logger().warning("webhook_failed", webhook=webhook, error=repr(error))

    def _sent(self, delivery: Delivery) -> bool:
        """Whether it was taken."""
        sending = self.messenger.send(
            delivery.url, delivery.message, message_id=delivery.message_id, secret=delivery.secret
        )
        error, now = asyncio.run(sending).error, self.clock()
        if error is None:
            self.outbox.taken(delivery, at=now)
            self.count("taken")
        else:
            again = _next_try(delivery.tries, now)
            self.outbox.failed(delivery, error, next_at=again)
            self.count("failed" if again else "given_up")
        return error is None


def _next_try(tries: int, now: datetime) -> datetime | None:
    """After `tries` earlier ones; None: there have been enough."""
    return now + WAITS[tries] if tries < len(WAITS) else None
