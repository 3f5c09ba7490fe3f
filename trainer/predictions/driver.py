"""One attempt at a prediction: has the parts that are missing made by a pool of workers, and makes the output
whole. `trainer.run` calls it in the driver's process, which loads no torch."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

from trainer.contract import crashes, layout, parts
from trainer.contract.attempts import Order, Outcome, Started
from trainer.contract.crashes import Point
from trainer.contract.objects.store import ObjectStore
from trainer.contract.parts import Part
from trainer.contract.prediction import Predictions, ResolvedPrediction
from trainer.contract.reasons import Reason
from trainer.predictions import keeping, listing
from trainer.predictions.listing import Listing
from trainer.predictions.pace import Pace
from trainer.predictions.signs import Signs
from trainer.predictions.task import Report, Task
from trainer.training import vigil
from trainer.training.endings import Fenced
from trainer.training.failures import Failure, classify
from trainer.training.patience import create_mine, patiently
from trainer.training.vigil import Vigil

log = logging.getLogger(__name__)

Work = Callable[[Iterable[Task]], Iterator[Report | None]]
"""Has tasks done: their reports as they come, and None from time to time while none does."""


class Unmade(Exception):
    """A worker could not make a part; it says why."""

    def __init__(self, why: Reason) -> None:
        super().__init__(why.message)
        self.why = why


@dataclass
class Prediction:
    """One attempt."""

    order: Order
    spec: ResolvedPrediction
    store: ObjectStore
    signs: Vigil
    """What the service wishes."""
    kept: dict[int, Part] = field(default_factory=dict)
    """Parts that are whole, by number."""
    ended_early: bool = False

    def run(self, work: Work) -> None:
        """Have made what is missing, then write the manifest; or end early, when the service wishes it.
        Raises Fenced, Unmade, WorkerLost, StoreUnavailable, or Ray's errors."""
        job = self.order.job_id
        listed = listing.fixed(self.store, job, self.spec)
        self.kept = keeping.kept(self.store, job)
        pace = Pace(self.store, self.order, listed.images, self.came_to.images)
        self._announce(listed)
        pace.tell()
        for report in self._reports(listed, work):
            part = self._made(report)
            self.kept[part.number] = part
            pace.done(part.images, report.seconds)
        if self.ended_early:
            return
        if self.came_to.images != listed.images:
            raise RuntimeError(f"{self.came_to.images} of {listed.images} images were reported")
        crashes.point(Point.AFTER_FILES)
        whole = [self.kept[number] for number in sorted(self.kept)]
        patiently(lambda: parts.finish(self.store, job, whole, at=datetime.now(UTC)))
        crashes.point(Point.AFTER_MANIFEST)
        log.info("%d images in %d files, %d of them errors", *self._totals())

    @property
    def came_to(self) -> Predictions:
        images, files, errors = self._totals()
        model = f"{self.spec.model.name}:{self.spec.model.version}"
        return Predictions(model=model, images=images, errors=errors, files=files)

    def outcome(self, status: Literal["succeeded", "failed", "halted"], **facts: Any) -> Outcome:
        job, number = self.order.job_id, self.order.attempt
        return Outcome(job_id=job, attempt=number, status=status, at=datetime.now(UTC), **facts)

    def _reports(self, listed: Listing, work: Work) -> Iterator[Report]:
        """Of each part that is missing, until the service wishes the end."""
        numbers = parts.numbers(listed.images, self.spec.rows_per_file)
        missing = [number for number in numbers if number not in self.kept]
        if not missing:
            return
        workers = Signs(self.store, self.order.job_id, self.order.attempt, time.monotonic)
        for report in work(listed.task(number, self.spec.rows_per_file) for number in missing):
            if report is not None:
                yield report
            self.signs.check()
            if self.signs.wished and len(self.kept) < len(numbers):
                self.ended_early = True
                return
            workers.check()

    def _made(self, report: Report) -> Part:
        if report.failed is not None or report.part is None:
            log.error("%s failed:\n%s", report.worker, report.trace)
            raise Unmade(report.failed or classify([]))
        made = report.part
        log.info(
            "%s: %d images, %d of them errors, in %.1f s by %s",
            *(made.file.name, made.images, made.errors, report.seconds, report.worker),
        )
        return made

    def _totals(self) -> tuple[int, int, int]:
        """Images, files and errors so far."""
        made = self.kept.values()
        return sum(one.images for one in made), len(made), sum(one.errors for one in made)

    def _announce(self, listed: Listing) -> None:
        """From here on this attempt, and no other, is the one. Raises Fenced."""
        job, number = self.order.job_id, self.order.attempt
        started = Started(
            job_id=job,
            attempt=number,
            resumed_step=self.came_to.images,
            resumed_attempt=None,
            device="cuda" if self.spec.gpus_per_worker else "cpu",
            precision=self.spec.precision,
            channels_last=True,
            versions={name: version(name) for name in ("torch", "ray", "residual")},
            at=datetime.now(UTC),
        )
        key = layout.started(job, number)
        if not create_mine(self.store, key, started.model_dump_json().encode()):
            raise Fenced(f"attempt {number} of {job} was started before")
        crashes.point(Point.AFTER_STARTED)
        log.info(
            "attempt %d: %s on %s, %d images, %d of them done before; %d workers on %s in %s",
            *(number, self.came_to.model, self.spec.images_of, listed.images, self.came_to.images),
            *(self.spec.workers, started.device, started.precision),
        )


def predict(order: Order, url: str, store: ObjectStore) -> Outcome | None:
    """Do what is ordered; how it ended, or None if somebody else closed the attempt meanwhile."""
    from trainer.predictions import pool  # Ray Data, which takes a second to import

    spec = order.spec
    if not isinstance(spec, ResolvedPrediction):
        raise TypeError(f"job {order.job_id} is no prediction")
    signs = Vigil(store, order.job_id, order.attempt, "0", clock=partial(datetime.now, UTC))
    with vigil.kept(signs, looks=True):
        return attempt(Prediction(order, spec, store, signs), partial(pool.reports, order, url))


def attempt(prediction: Prediction, work: Work) -> Outcome | None:
    """How it ended, by whoever does the `work`."""
    signs = prediction.signs
    try:
        prediction.run(work)
    except Fenced as error:
        log.warning("stopped: %s", error)
        return None
    except Unmade as error:
        return prediction.outcome("failed", reason=error.why)
    except Exception as error:
        log.error("the attempt failed", exc_info=error)
        return prediction.outcome("failed", reason=classify([Failure(None, _ours(error))]))
    if signs.closed is not None:
        return None
    if prediction.ended_early:
        log.info("halted: %s", signs.why([0]).message)
        return prediction.outcome("halted", reason=signs.why([0]))
    return prediction.outcome("succeeded", predictions=prediction.came_to)


def _ours(error: Exception) -> BaseException:
    """In our own words if it is Ray's."""
    from trainer.training.ray_failures import ours

    return ours(error, "a worker")
