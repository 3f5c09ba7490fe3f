"""Routes of webhooks."""

from fastapi import APIRouter

from service.deps import ProjectDep, WebhookId, WebhooksDep
from service.errors import Conflict, Invalid, NotFound
from service.problems import fails_with
from service.webhooks.schemas import MadeOut, SaidOut, WebhookIn, WebhooksOut

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@router.post("", status_code=201, responses=fails_with(Invalid, Conflict))
def create_webhook(body: WebhookIn, project: ProjectDep, webhooks: WebhooksDep) -> MadeOut:
    """Name a URL that is told of changes of the states of the project's jobs. The answer shows the
    secret that the messages are signed with, once."""
    return MadeOut.made(webhooks.create(project, body.url, body.states))


@router.get("")
def list_webhooks(project: ProjectDep, webhooks: WebhooksDep) -> WebhooksOut:
    """The project's webhooks, newest first, each with what came of its last message."""
    return WebhooksOut.of(webhooks.list(project))


@router.delete("/{webhook_id}", status_code=204, responses=fails_with(NotFound))
def delete_webhook(webhook_id: WebhookId, project: ProjectDep, webhooks: WebhooksDep) -> None:
    """Delete a webhook, and what it was still to be told."""
    webhooks.delete(project, webhook_id)


@router.post("/{webhook_id}/test", responses=fails_with(NotFound))
async def try_webhook(webhook_id: WebhookId, project: ProjectDep, webhooks: WebhooksDep) -> SaidOut:
    """Send a message of the type `webhook.test` now, once, and answer what the receiver said."""
    return SaidOut.of(await webhooks.test(project, webhook_id))
