"""Which point a sweep tries next. Each is proposed to the service before Ray Tune hears of it, under the
number of its trial: a search that starts anew proposes the same again.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from trainer.contract import trials
from trainer.contract.objects.store import ObjectStore
from trainer.contract.space import Axes, Axis, Point, Range
from trainer.contract.sweep import ResolvedSweep
from trainer.contract.trials import Proposal
from trainer.training.patience import patiently

POINT = "point"
"""The one axis of a space that is a list of points."""


class Proposing(Searcher):  # type: ignore[misc]  # Ray has no types
    """Numbers the trials, and stops at the last one, or as soon as `over` says so."""

    def __init__(
        self,
        store: ObjectStore,
        url: str,
        job_id: str,
        sweep: ResolvedSweep,
        over: Callable[[], bool],
    ) -> None:
        super().__init__(metric=sweep.search.metric, mode="min")
        self._store, self._url, self._job_id, self._sweep, self._over = (
            store,
            url,
            job_id,
            sweep,
            over,
        )
        self._known = patiently(lambda: trials.proposed(store, job_id))
        self._numbers: dict[str, int] = {}
        self._model = _model(sweep, self._known) if sweep.search.name == "optuna" else None

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The next trial's configuration."""
        number = len(self._numbers) + 1
        if number > self._sweep.trials or (number > len(self._known) and self._over()):
            return str(Searcher.FINISHED)
        self._numbers[trial_id] = number
        # A model is asked for the known ones as well: else it could not learn what came of them.
        guess = self._model.suggest(trial_id) if self._model else None
        if number > len(self._known):
            chosen = _point(axes(self._sweep), guess) if guess else self._sweep.point(number)
            mine = Proposal(number=number, point=chosen, at=datetime.now(UTC))
            patiently(lambda: trials.propose(self._store, self._job_id, mine))
        return {"store": self._url, "job": self._job_id, "number": number}

    def number(self, trial_id: str) -> int:
        """Of a trial that was suggested."""
        return self._numbers[trial_id]

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if self._model:
            self._model.on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if self._model:
            self._model.on_trial_complete(trial_id, result, error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what counts is in the object store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as above."""


def axes(sweep: ResolvedSweep) -> Axes:
    """What a model chooses from: a list of points is one axis."""
    return sweep.space if isinstance(sweep.space, dict) else {POINT: list(sweep.space)}


def _model(sweep: ResolvedSweep, known: list[Proposal]) -> OptunaSearch:
    """Optuna's TPE over the space. It is given the known points first, in their order."""
    space = axes(sweep)
    distributions = {field: _distribution(axis) for field, axis in space.items()}
    return OptunaSearch(
        distributions,
        metric=sweep.search.metric,
        mode="min",
        points_to_evaluate=[_guess(space, each.point) for each in known] or None,
        sampler=optuna.samplers.TPESampler(seed=sweep.search.seed),
    )


def _distribution(axis: Axis) -> BaseDistribution:
    """Of a list the place in it: its values may be of any kind."""
    if not isinstance(axis, Range):
        return CategoricalDistribution(range(len(axis)))
    kind = IntDistribution if axis.whole else FloatDistribution
    return kind(axis.min, axis.max, log=axis.log)


def _point(space: Axes, guess: dict[str, Any]) -> Point:
    """What a model means by the numbers that it gives."""
    named = {
        field: guess[field] if isinstance(axis, Range) else axis[guess[field]]
        for field, axis in space.items()
    }
    whole = named.get(POINT)
    return whole if isinstance(whole, dict) else named


def _guess(space: Axes, point: Point) -> dict[str, Any]:
    """The other way round."""
    if POINT in space:
        return {POINT: list(space[POINT]).index(point)}
    return {
        field: point[field] if isinstance(axis, Range) else axis.index(point[field])
        for field, axis in space.items()
    }
