"""What webhooks are still to be told. `JobStore` notes it with each change of a state; the sender
takes it from here."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, func, insert, select, update

from service.db.tables import DeliveryRow, WebhookRow
from service.lifecycle import Job, State

DELIVERIES = DeliveryRow.__table__.c
WEBHOOKS = WebhookRow.__table__.c


@dataclass(frozen=True)
class Delivery:
    """A message that is to be sent now, and where to."""

    id: int
    message: dict[str, Any]
    tries: int
    """That failed."""
    created_at: datetime
    url: str
    secret: str

    @property
    def message_id(self) -> str:
        """The same at every try: by it a receiver knows what it was told before. With the time, for a
        database may use the number of a row that was removed again."""
        return f"msg-{int(self.created_at.timestamp() * 1000)}-{self.id}"


def note(connection: Connection, job: Job, was: State | None) -> None:
    """Keep what the webhooks of the job's project are to be told, in the transaction of the change.
    `was` is the state before; None: the job is new."""
    told = (
        select(WEBHOOKS.id, WEBHOOKS.states)
        .where(WEBHOOKS.project == job.project)
        # PostgreSQL: one that is deleted meanwhile must not make the change itself fail.
        .with_for_update(read=True, key_share=True)
    )
    wanting = [row.id for row in connection.execute(told) if _wants(row.states, job.state)]
    if wanting:
        common = {
            "message": message_of(job, was),
            "tries": 0,
            "next_at": job.changed_at,
            "created_at": job.changed_at,
        }
        connection.execute(insert(DeliveryRow), [common | {"webhook_id": one} for one in wanting])


def message_of(job: Job, was: State | None) -> dict[str, Any]:
    """What a receiver is told of a change."""
    return {
        "type": f"job.{job.state}",
        "timestamp": rfc3339(job.changed_at),
        "data": {
            "job": job.id,
            "from": was,
            "to": job.state,
            "reason": job.reason.model_dump(mode="json") if job.reason else None,
            "attempt": job.attempt,
        },
    }


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Outbox:
    """Every method is one transaction. Of one job a webhook is told one change after the other: the
    next is due only when the one before was taken, or given up."""

    engine: Engine

    def webhooks_due(self, now: datetime) -> list[str]:
        """Webhooks that something is to be sent to, longest due first."""
        wanted = (
            select(DELIVERIES.webhook_id)
            .where(DELIVERIES.id.in_(_heads()), DELIVERIES.next_at <= now)
            .group_by(DELIVERIES.webhook_id)
            .order_by(func.min(DELIVERIES.next_at))
        )
        with self.engine.connect() as connection:
            return list(connection.execute(wanted).scalars())

    def due(self, webhook_id: str, now: datetime, *, limit: int) -> list[Delivery]:
        """What a webhook is to be sent now, oldest first: of each job one message at most."""
        wanted = (
            select(
                DELIVERIES.id,
                DELIVERIES.message,
                DELIVERIES.tries,
                DELIVERIES.created_at,
                WEBHOOKS.url,
                WEBHOOKS.secret,
            )
            .join_from(DeliveryRow, WebhookRow, DELIVERIES.webhook_id == WEBHOOKS.id)
            .where(DELIVERIES.id.in_(_heads(webhook_id)), DELIVERIES.next_at <= now)
            .order_by(DELIVERIES.id)
            .limit(limit)
        )
        with self.engine.connect() as connection:
            return [Delivery(**row._mapping) for row in connection.execute(wanted)]

    def taken(self, delivery: Delivery, *, at: datetime) -> None:
        """The receiver has it."""
        self._tried(delivery, next_at=None, delivered_at=at, error=None)

    def failed(self, delivery: Delivery, error: str, *, next_at: datetime | None) -> None:
        """It is sent again at `next_at`; None: it is given up."""
        self._tried(delivery, next_at=next_at, error=error)

    def forget(self, before: datetime) -> None:
        """Delete what was made before a time, and was taken or given up."""
        old = delete(DeliveryRow).where(
            DELIVERIES.next_at.is_(None), DELIVERIES.created_at < before
        )
        with self.engine.begin() as connection:
            connection.execute(old)

    def _tried(self, delivery: Delivery, **values: Any) -> None:
        one = update(DeliveryRow).where(DELIVERIES.id == delivery.id)
        with self.engine.begin() as connection:
            connection.execute(one.values(tries=delivery.tries + 1, **values))


def _heads(webhook_id: str | None = None) -> Select[tuple[int]]:
    """Of each webhook and job the oldest message that still waits."""
    waiting = select(func.min(DELIVERIES.id)).where(DELIVERIES.next_at.is_not(None))
    if webhook_id:
        waiting = waiting.where(DELIVERIES.webhook_id == webhook_id)
    job = DELIVERIES.message[("data", "job")].as_string()
    return waiting.group_by(DELIVERIES.webhook_id, job)


def _wants(states: dict[str, Any] | None, to: State) -> bool:
    return states is None or to in states["only"]
