"""A trial as Ray Tune sees it: a process of its own that trains nothing. It follows the training that the
service runs for the trial, and reports its validations.
"""

import time
from typing import Any, TypedDict

from ray import tune

from trainer.contract import layout
from trainer.contract.attempts import read
from trainer.contract.objects.open import open_store
from trainer.contract.objects.store import ObjectStore
from trainer.contract.trials import Standing
from trainer.training.patience import patiently

LOOK_EVERY_S = 0.5


class Config(TypedDict):
    """What the search hands to a trial."""

    store: str
    """URL of the object store."""
    job: str
    """The sweep's id."""
    number: int
    """Of the trial."""


class Failed(RuntimeError):
    """The trial's training came to nothing."""


def follow(config: Config) -> None:
    """Report each validation of the trial's training, once; return when it has ended. What was reported
    before this process began is reported again: so a search that starts anew learns what it knew. Raises
    Failed."""
    store, reported = open_store(config["store"]), 0
    while True:
        standing = _look(store, config)
        for point in standing.validations[reported:] if standing else ():
            tune.report(point.model_dump())
            reported += 1
        if standing and standing.failure is not None:
            raise Failed(standing.failure)
        if standing and standing.ended:
            return
        time.sleep(LOOK_EVERY_S)


def _look(store: ObjectStore, config: Config) -> Standing | None:
    key = layout.standing(config["job"], config["number"])
    return patiently(lambda: read(store, key, Standing))


def trainable() -> Any:
    """`follow` for Ray Tune. It takes nothing that a training needs: what trains is a job of its own."""
    # Ray Tune wants something reserved, and a byte of memory is what nobody waits for.
    return tune.with_resources(follow, {"cpu": 0, "memory": 1})
