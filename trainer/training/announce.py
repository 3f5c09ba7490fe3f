"""How an attempt begins to count: `started.json`, created once. Trainings and evaluations call it."""

from trainer.contract import crashes, layout
from trainer.contract.attempts import Order, Started
from trainer.contract.crashes import Point
from trainer.training.device import Chosen, describe
from trainer.training.endings import Fenced
from trainer.training.patience import create_mine
from trainer.training.setup import Setting


def announce(  # noqa: PLR0913 - all by name
    order: Order,
    at: Setting,
    *,
    precision: Chosen,
    channels_last: bool,
    resumed_step: int = 0,
    resumed_attempt: int | None = None,
    skipped: tuple[str, ...] = (),
) -> Started:
    """From here on this attempt, and no other, is the one. Raises Fenced."""
    started = Started(
        job_id=order.job_id,
        attempt=order.attempt,
        resumed_step=resumed_step,
        resumed_attempt=resumed_attempt,
        device=describe(at.device),
        precision=precision,
        channels_last=channels_last,
        versions=at.versions,
        skipped=skipped,
        at=at.clock(),
    )
    key = layout.started(order.job_id, order.attempt)
    if not create_mine(at.store, key, started.model_dump_json().encode()):
        raise Fenced(f"attempt {order.attempt} of {order.job_id} was started before")
    crashes.point(Point.AFTER_STARTED)
    return started


def programs(started: Started) -> str:
    """The versions of what runs, for the log."""
    return ", ".join(f"{name} {version}" for name, version in started.versions.items())
