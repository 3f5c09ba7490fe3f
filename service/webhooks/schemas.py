"""What the routes of webhooks take and give."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from service.http.example import example
from service.lifecycle import State
from service.webhooks.delivery import Answer
from service.webhooks.store import Tried, Webhook

AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
_WEBHOOK = Webhook(
    id="webhook-1k0y64et6dng0az10y5",
    project="default",
    url="https://hooks.example.com/residual",
    secret="whsec_bm90IGEgc2VjcmV0LCBidXQgYW4gZXhhbXBsZSE=",  # noqa: S106 - an example
    states=(State.SUCCEEDED, State.FAILED),
    created_at=AT,
)
_TRIED = Tried(
    message={"data": {"job": "job-1k0y64et6dng0az10y5", "to": "succeeded"}},
    tries=1,
    delivered_at=AT,
    next_at=None,
    error=None,
)


class WebhookIn(BaseModel):
    """Where changes of jobs' states are to be sent."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"url": _WEBHOOK.url, "states": ["succeeded", "failed"]}]},
    )

    url: str = Field(max_length=2000)
    """Of the receiver, on a host that the administrator allows."""
    states: list[State] | None = Field(default=None, min_length=1, max_length=100)
    """Of which it is told when a job comes into them. Default: all."""


class DeliveryOut(BaseModel, use_attribute_docstrings=True):
    """What came of a message."""

    job: str
    """Id of the job that the message was about."""
    state: State
    """That it told of."""
    tries: int
    delivered_at: datetime | None
    """Null while the receiver has not taken it."""
    next_at: datetime | None
    """When it is sent again; null: it was taken, or given up."""
    error: str | None
    """What went wrong at the last try, or the beginning of what the receiver said."""

    @classmethod
    def of(cls, tried: Tried) -> "DeliveryOut":
        return cls(
            job=tried.message["data"]["job"],
            state=tried.message["data"]["to"],
            tries=tried.tries,
            delivered_at=tried.delivered_at,
            next_at=tried.next_at,
            error=tried.error,
        )


class WebhookOut(BaseModel, use_attribute_docstrings=True):
    """A webhook, without its secret."""

    id: str
    url: str
    states: list[State] | None
    """Of which it is told; null: all."""
    created_at: datetime
    last_delivery: DeliveryOut | None
    """The newest message that was sent, or tried to; null: there was none in the last seven days."""

    @classmethod
    def of(cls, webhook: Webhook, tried: Tried | None) -> "WebhookOut":
        return cls(
            id=webhook.id,
            url=webhook.url,
            states=list(webhook.states) if webhook.states else None,
            created_at=webhook.created_at,
            last_delivery=DeliveryOut.of(tried) if tried else None,
        )


class MadeOut(WebhookOut):
    """A new webhook."""

    model_config = ConfigDict(json_schema_extra=example(lambda: MadeOut.made(_WEBHOOK)))

    secret: str
    """By which the receiver verifies what it gets. It is shown only here."""

    @classmethod
    def made(cls, webhook: Webhook) -> "MadeOut":
        return cls(secret=webhook.secret, **WebhookOut.of(webhook, None).model_dump())


class WebhooksOut(BaseModel):
    """A project's webhooks, newest first."""

    model_config = ConfigDict(
        json_schema_extra=example(lambda: WebhooksOut.of([(_WEBHOOK, _TRIED)]))
    )

    items: list[WebhookOut]
    next_cursor: None = None
    """They are so few that they are always one page."""

    @classmethod
    def of(cls, found: list[tuple[Webhook, Tried | None]]) -> "WebhooksOut":
        return cls(items=[WebhookOut.of(webhook, tried) for webhook, tried in found])


class SaidOut(BaseModel):
    """What the receiver said."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra=example(lambda: SaidOut.of(Answer(200, "thank you"))),
    )

    delivered: bool
    """Whether it took the message: an answer from 200 to 299."""
    status: int | None
    """Of its answer; null: there was none."""
    said: str
    """The beginning of its answer, or why there was none."""

    @classmethod
    def of(cls, answer: Answer) -> "SaidOut":
        return cls(delivered=answer.taken, status=answer.status, said=answer.said)
