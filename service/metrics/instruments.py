"""Counters and histograms that the service's parts write to as things happen. Made once, by `parts`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from service.lifecycle import Job, State
from service.metrics import catalogue
from service.metrics.catalogue import Metric

PHASES = {
    (State.QUEUED, State.STARTING): "queued",
    (State.STARTING, State.RUNNING): "placing",
}
"""A change of state → the phase that it ends."""


@dataclass(frozen=True)
class Instruments:
    """Of one application. Safe for several threads at once."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    request_seconds: Histogram = field(init=False)
    part_seconds: Histogram = field(init=False)
    part_failures: Counter = field(init=False)
    transitions: Counter = field(init=False)
    phase_seconds: Histogram = field(init=False)
    look_seconds: Histogram = field(init=False)
    troubles: Counter = field(init=False)
    webhook_tries: Counter = field(init=False)
    predictions_asked: Counter = field(init=False)

    def __post_init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series beside each one that nobody asks for
        made: dict[str, Counter | Histogram] = {
            "requests": self._counter(catalogue.REQUESTS),
            "request_seconds": self._histogram(catalogue.REQUEST_SECONDS),
            "part_seconds": self._histogram(catalogue.PART_SECONDS),
            "part_failures": self._counter(catalogue.PART_FAILURES),
            "transitions": self._counter(catalogue.TRANSITIONS),
            "phase_seconds": self._histogram(catalogue.PHASE_SECONDS),
            "look_seconds": self._histogram(catalogue.LOOK_SECONDS),
            "troubles": self._counter(catalogue.TROUBLES),
            "webhook_tries": self._counter(catalogue.WEBHOOK_TRIES),
            "predictions_asked": self._counter(catalogue.PREDICTIONS_ASKED),
        }
        ProcessCollector(registry=self.registry)
        for name, instrument in made.items():
            object.__setattr__(self, name, instrument)
        for (
            result
        ) in catalogue.RESULTS:  # from 0 on, or the first one given up would be no increase
            self.webhook_tries.labels(result)

    def moved(self, was: Job | None, now: Job) -> None:
        """Count a change of a job's state, and the phase that it ends."""
        kind, reason = now.spec.kind, now.reason.code.value if now.reason else ""
        before = was.state.value if was else ""
        self.transitions.labels(kind, before, now.state.value, reason).inc()
        if was and (phase := PHASES.get((was.state, now.state))):
            self._phase(kind, phase, (now.changed_at - was.changed_at).total_seconds())

    def first_step(self, job: Job, seconds: float) -> None:
        """An attempt that runs since `job.changed_at` did its first step so long after."""
        self._phase(job.spec.kind, "first_step", seconds)

    @contextmanager
    def timing(
        self,
        part: str,
        operation: str,
        timer: Callable[[], float],
        *,
        failures: tuple[type[Exception], ...],
    ) -> Iterator[None]:
        """Measure a call to a part; one of `failures` is counted, and goes on its way."""
        began = timer()
        try:
            yield
        except failures:
            self.part_failures.labels(part, operation).inc()
            raise
        finally:
            self.part_seconds.labels(part, operation).observe(timer() - began)

    def _phase(self, kind: str, phase: str, seconds: float) -> None:
        # Two machines' clocks may differ: a histogram takes no negative seconds.
        self.phase_seconds.labels(kind, phase).observe(max(0.0, seconds))

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            registry=self.registry,
            buckets=metric.buckets,
        )
