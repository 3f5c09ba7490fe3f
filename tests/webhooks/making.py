"""Webhooks and changes of jobs, as the tests of the outbox and of the sender need them."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine

from service.jobs.store import JobStore
from service.lifecycle import Job, State, advance
from service.webhooks.store import Webhook, WebhookStore
from tests.jobs import making
from tests.jobs.making import NOW
from tests.webhooks.receiver import SECRET
from trainer.contract.reasons import Code, reason

WAITS = reason(Code.WAITING_IN_LINE, "It was made a moment ago.")
STARTS = reason(Code.STARTING, "Its first attempt starts.")


def webhook(
    engine: Engine,
    name: str = "webhook-1",
    *,
    url: str = "https://example.com/hook",
    project: str = "default",
    states: tuple[State, ...] | None = None,
) -> Webhook:
    made = Webhook(name, project, url, SECRET, states, NOW)
    WebhookStore(engine).insert(made)
    return made


def queued(engine: Engine, number: int = 1, *, at: datetime = NOW, project: str = "default") -> Job:
    """A new job, as the store has it."""
    made = making.job(number)
    made = replace(made, reason=WAITS, created_at=at, changed_at=at, project=project)
    JobStore(engine).insert(made)
    return made


def started(engine: Engine, job: Job, *, at: datetime = NOW) -> Job:
    """The next change of a queued job."""
    return JobStore(engine).save(advance(job, State.STARTING, at=at, reason=STARTS), was=job)
