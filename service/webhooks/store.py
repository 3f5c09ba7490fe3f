"""Webhooks in the database. Used by `Webhooks`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select

from service.db.tables import DeliveryRow, WebhookRow
from service.jobs.rows import AnyRow
from service.lifecycle import State

WEBHOOKS = WebhookRow.__table__.c
DELIVERIES = DeliveryRow.__table__.c


@dataclass(frozen=True)
class Webhook:
    """A receiver that a project has named."""

    id: str
    project: str
    url: str
    secret: str
    states: tuple[State, ...] | None
    """Of which it is told; None: all."""
    created_at: datetime


@dataclass(frozen=True)
class Tried:
    """What came of a message."""

    message: dict[str, Any]
    tries: int
    delivered_at: datetime | None
    next_at: datetime | None
    """When it is sent again; None: it was taken, or given up."""
    error: str | None


@dataclass(frozen=True)
class WebhookStore:
    """Every method is one transaction."""

    engine: Engine

    def insert(self, webhook: Webhook) -> None:
        values = {
            "id": webhook.id,
            "project": webhook.project,
            "url": webhook.url,
            "secret": webhook.secret,
            "states": {"only": list(webhook.states)} if webhook.states else None,
            "created_at": webhook.created_at,
        }
        with self.engine.begin() as connection:
            connection.execute(insert(WebhookRow), values)

    def get(self, project: str, webhook_id: str) -> Webhook | None:
        wanted = select(*WEBHOOKS).where(WEBHOOKS.id == webhook_id, WEBHOOKS.project == project)
        with self.engine.connect() as connection:
            row = connection.execute(wanted).first()
        return _webhook(row) if row else None

    def of(self, project: str) -> list[Webhook]:
        """A project's webhooks, newest first."""
        wanted = select(*WEBHOOKS).where(WEBHOOKS.project == project).order_by(WEBHOOKS.id.desc())
        with self.engine.connect() as connection:
            return [_webhook(row) for row in connection.execute(wanted)]

    def last_tried(self, project: str) -> dict[str, Tried]:
        """By webhook, what came of the newest message that was tried at least once."""
        newest = (
            select(func.max(DELIVERIES.id))
            .join_from(DeliveryRow, WebhookRow, DELIVERIES.webhook_id == WEBHOOKS.id)
            .where(WEBHOOKS.project == project, DELIVERIES.tries > 0)
            .group_by(DELIVERIES.webhook_id)
        )
        wanted = select(*DELIVERIES).where(DELIVERIES.id.in_(newest))
        with self.engine.connect() as connection:
            found = connection.execute(wanted).all()
        return {
            row.webhook_id: Tried(row.message, row.tries, row.delivered_at, row.next_at, row.error)
            for row in found
        }

    def delete(self, project: str, webhook_id: str) -> bool:
        """With all that it was still to be told; whether it was there."""
        gone = delete(WebhookRow).where(WEBHOOKS.id == webhook_id, WEBHOOKS.project == project)
        with self.engine.begin() as connection:
            return connection.execute(gone).rowcount == 1


def _webhook(row: AnyRow) -> Webhook:
    states = tuple(State(state) for state in row.states["only"]) if row.states else None
    return Webhook(row.id, row.project, row.url, row.secret, states, row.created_at)
