"""Ray Tune around a sweep: its search proposes trials, its scheduler ends those that are not worth it.
`trainer.run` calls it in the driver's process. No trial trains here: each is a job of the service.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from trainer.contract import layout
from trainer.contract.attempts import Order, Outcome, Started, read
from trainer.contract.names import submission_id
from trainer.contract.objects.store import ObjectStore
from trainer.contract.reasons import Reason
from trainer.contract.sweep import ResolvedSweep
from trainer.contract.trials import Proposal, Standing, Verdict, judge
from trainer.sweeps.search import Proposing
from trainer.sweeps.trial import trainable
from trainer.training import vigil
from trainer.training.patience import create_mine, patiently
from trainer.training.vigil import Vigil

log = logging.getLogger(__name__)

RAY_TUNE = {
    # Nobody reads what Ray Tune would write of each trial: the service has its metrics.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Nor does anybody go on from Ray Tune's own snapshots.
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}


def search(order: Order, url: str, store: ObjectStore, *, scratch: Path) -> Outcome | None:
    """Try what the order's sweep is to try; None if somebody else closed the attempt meanwhile.

    `scratch`: a directory on this machine that Ray Tune may put its own few files in.
    """
    for name, value in RAY_TUNE.items():
        os.environ.setdefault(name, value)
    sweep, clock = order.spec, partial(datetime.now, UTC)
    if not isinstance(sweep, ResolvedSweep):
        raise TypeError(f"job {order.job_id} is no sweep")
    signs = Vigil(store, order.job_id, order.attempt, "0", clock=clock)
    with vigil.kept(signs, looks=True):
        _announce(order, store)
        budget = Budget(
            sweep.search.max_seconds, sweep.search.max_epochs, _since(order, store, clock)
        )
        proposing = Proposing(
            store, url, order.job_id, sweep, lambda: budget.spent(clock()) is not None
        )
        tune.Tuner(
            trainable(),
            tune_config=tune.TuneConfig(
                search_alg=proposing,
                scheduler=_scheduler(sweep),
                num_samples=-1,  # the search says when it is done
                max_concurrent_trials=sweep.search.at_once,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name=submission_id(order.job_id, order.attempt),
                storage_path=str(scratch),
                stop=_Ends(budget, signs, clock),
                callbacks=[_Judge(store, order.job_id, sweep, proposing, budget, signs)],
                verbose=0,
            ),
        ).fit()
    if signs.closed is not None:
        return None
    if signs.halt is not None:
        return _outcome(order, "halted", signs.halt.reason)
    return _outcome(order, "succeeded", None)


@dataclass
class Budget:
    """What all trials together may take."""

    seconds: float | None
    epochs: int | None
    since: datetime
    """When the sweep began; what it waited while it was paused counts."""
    used: int = 0
    """Epochs so far."""

    def spent(self, now: datetime) -> str | None:
        """What is spent, in words; None while there is something left."""
        if self.epochs is not None and self.used >= self.epochs:
            return f"the sweep's {self.epochs} epochs"
        if self.seconds is not None and now - self.since >= timedelta(seconds=self.seconds):
            return f"the sweep's {self.seconds:g} s"
        return None


class _Ends(tune.Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends everything when the service wishes it, or when the budget is spent."""

    def __init__(self, budget: Budget, signs: Vigil, clock: Callable[[], datetime]) -> None:
        self._budget, self._signs, self._clock = budget, signs, clock

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self._budget.used += 1
        return False

    def stop_all(self) -> bool:
        wished = self._signs.wished or self._signs.closed is not None
        return wished or self._budget.spent(self._clock()) is not None


class _Judge(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Tells the service which trials Ray Tune has ended before their end."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it needs to know of the run
        self,
        store: ObjectStore,
        job_id: str,
        sweep: ResolvedSweep,
        proposing: Proposing,
        budget: Budget,
        signs: Vigil,
    ) -> None:
        self._store, self._job_id, self._sweep = store, job_id, sweep
        self._proposing, self._budget, self._signs = proposing, budget, signs

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        if self._signs.wished or self._signs.closed is not None:
            return  # the whole sweep ends, and what becomes of its trials is for the service to say
        number = self._proposing.number(trial.trial_id)
        standing = patiently(
            lambda: read(self._store, layout.standing(self._job_id, number), Standing)
        )
        if standing is not None and standing.ended:
            return
        now = datetime.now(UTC)
        spent = self._budget.spent(now)
        why = f"{_capital(spent)} are spent." if spent else _worse(self._sweep, trial.last_result)
        log.info("trial %d ends early: %s", number, why)
        verdict = Verdict(number=number, message=why, at=now)
        patiently(lambda: judge(self._store, self._job_id, verdict))


def _worse(sweep: ResolvedSweep, last: dict[str, Any]) -> str:
    """Why ASHA ends a trial."""
    metric = sweep.search.metric
    return (
        f"After {last['epoch']} epochs its {metric} was {last[metric]:.4g}, and it was not among the best "
        f"one of {sweep.search.reduction} that got so far."
    )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _scheduler(sweep: ResolvedSweep) -> TrialScheduler:
    if sweep.search.name != "asha":
        return FIFOScheduler()
    return AsyncHyperBandScheduler(
        time_attr="epoch",
        metric=sweep.search.metric,
        mode="min",
        max_t=sweep.epochs + 1,  # the last epoch needs no scheduler to be the last
        grace_period=min(sweep.search.grace_epochs, sweep.epochs),
        reduction_factor=sweep.search.reduction,
    )


def _since(order: Order, store: ObjectStore, clock: Callable[[], datetime]) -> datetime:
    """When the sweep's first trial was proposed, in whichever attempt."""
    first = patiently(lambda: read(store, layout.proposal(order.job_id, 1), Proposal))
    return first.at if first else clock()


def _announce(order: Order, store: ObjectStore) -> None:
    started = Started(
        job_id=order.job_id,
        attempt=order.attempt,
        resumed_step=0,
        resumed_attempt=None,
        device="cpu",
        precision="fp32",
        channels_last=False,
        versions={name: version(name) for name in ("ray", "residual")},
        at=datetime.now(UTC),
    )
    key = layout.started(order.job_id, order.attempt)
    create_mine(store, key, started.model_dump_json().encode())


def _outcome(order: Order, status: Literal["succeeded", "halted"], why: Reason | None) -> Outcome:
    return Outcome(
        job_id=order.job_id,
        attempt=order.attempt,
        status=status,
        reason=why,
        at=datetime.now(UTC),
    )
