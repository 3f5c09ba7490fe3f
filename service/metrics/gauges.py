"""How things are now, gathered when somebody asks: what the database says, and what this replica knows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from prometheus_client import Metric as Family
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError

from service.lifecycle import State
from service.metrics import catalogue
from service.metrics.catalogue import MOST_DEPLOYMENTS, MOST_JOBS, MOST_PROJECTS, OTHERS, Metric
from service.metrics.standing import Live, Standing
from service.metrics.tally import Group, Tally
from trainer.contract.spec import ResolvedSpec

Sample = tuple[tuple[str, ...], float]
"""The values of the labels, and the value."""


@dataclass(frozen=True, eq=False)  # a registry tells its collectors apart by identity
class Gauges:
    """A collector of Prometheus' client library: every scrape asks anew."""

    tally: Callable[[], Tally]
    """Raises SQLAlchemyError while the database is away."""
    standing: Callable[[], Standing]
    clock: Callable[[], datetime]
    version: str

    def describe(self) -> list[Family]:
        """Nothing: or registering it would ask the database."""
        return []

    def collect(self) -> Iterator[Family]:
        now, standing = self.clock(), self.standing()
        yield family(catalogue.BUILD, [((self.version,), 1)])
        yield from of_replica(standing)
        yield from of_jobs(standing.live[:MOST_JOBS])
        try:
            tally = self.tally()
        except SQLAlchemyError as error:
            structlog.get_logger().warning("metrics_without_database", error=repr(error))
            yield single(catalogue.DATABASE_ANSWERS, 0)
            return
        yield single(catalogue.DATABASE_ANSWERS, 1)
        yield from of_database(tally, now)


def of_replica(standing: Standing) -> Iterator[Family]:
    """What a replica sees of the cluster, and whether it leads."""
    yield single(catalogue.CLUSTER_ANSWERS, standing.answers)
    if capacity := standing.capacity:
        yield single(catalogue.NODES, len(capacity.nodes))
        yield single(catalogue.CPUS, capacity.cpus)
        yield single(catalogue.CPUS_FREE, capacity.cpus_free)
        yield single(catalogue.GPUS, capacity.gpus)
        yield single(catalogue.GPUS_FREE, capacity.gpus_free)
    yield single(catalogue.LEADS, standing.leads)
    if standing.leads and standing.looked_at:
        yield single(catalogue.LOOKED_AT, standing.looked_at.timestamp())


def of_jobs(live: Sequence[Live]) -> Iterator[Family]:
    """The jobs that hold resources, each by its id."""
    yield family(catalogue.JOB_INFO, [(_identity(one), 1) for one in live])
    running = [one for one in live if one.job.state is State.RUNNING]
    progress = [(one.job.id, one.job.progress) for one in running if one.job.progress]
    yield family(catalogue.JOB_STEP, [((id_,), far.step) for id_, far in progress])
    yield family(catalogue.JOB_STEPS, [((id_,), far.steps) for id_, far in progress])
    rates = [(id_, far.images_per_second) for id_, far in progress]
    yield family(catalogue.JOB_RATE, [((id_,), rate) for id_, rate in rates if rate is not None])
    trained = [one for one in running if isinstance(one.job.spec, ResolvedSpec)]
    beats = [(one.job.id, one.beat) for one in trained if one.beat]
    yield family(catalogue.JOB_DATA, [((id_,), beat.data_s) for id_, beat in beats])
    yield family(catalogue.JOB_STALL, [((id_,), beat.stall_s) for id_, beat in beats])
    stored = [(one.job, one.beat.stored_at if one.beat else None) for one in trained]
    yield family(
        catalogue.JOB_CHECKPOINT,
        [((job.id,), (at or job.changed_at).timestamp()) for job, at in stored],
    )
    silent = [(one.job.id, one.silent) for one in running if one.silent is not None]
    yield family(catalogue.JOB_SILENCE, [((id_,), how.total_seconds()) for id_, how in silent])


def of_database(tally: Tally, now: datetime) -> Iterator[Family]:
    """What every replica reads alike."""
    yield family(catalogue.JOBS, (((g.state, g.kind), g.count) for g in tally.groups))
    queued = [group for group in tally.groups if group.state == State.QUEUED.value]
    yield family(catalogue.QUEUE, _queue(queued))
    waits = [(now - group.oldest).total_seconds() for group in queued]
    yield single(catalogue.QUEUE_AGE, max([0.0, *waits]))
    yield single(catalogue.OUTBOX, tally.outbox)
    late = (now - tally.due_at).total_seconds() if tally.due_at else 0.0
    yield single(catalogue.OUTBOX_LATE, max(0.0, late))
    yield family(catalogue.DEPLOYMENTS, [((each.state,), 1) for each in tally.deployments])
    shown = tally.deployments[:MOST_DEPLOYMENTS]
    named = [((each.project, each.name), each) for each in shown]
    wanted = [(labels, each.desired.replicas.min) for labels, each in named]
    yield family(catalogue.REPLICAS_WANTED, wanted)
    yield family(catalogue.REPLICAS, [(labels, each.actual.replicas) for labels, each in named])


def family(metric: Metric, samples: Iterable[Sample]) -> Family:
    """One metric with its samples; those with the same labels are added up."""
    total: dict[tuple[str, ...], float] = defaultdict(float)
    for labels, value in samples:
        total[labels] += value
    made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    found = made(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in total.items():
        found.add_metric(labels, value)
    return found


def single(metric: Metric, value: float) -> Family:
    """A metric without labels."""
    return family(metric, [((), value)])


def _identity(one: Live) -> tuple[str, ...]:
    job = one.job
    return (job.id, job.project, job.spec.kind, job.state.value, str(job.attempt))


def _queue(queued: Sequence[Group]) -> Iterator[Sample]:
    """The projects with the longest queues by name, the others together."""
    lengths: dict[str, int] = defaultdict(int)
    for group in queued:
        lengths[group.project] += group.count
    named = sorted(lengths, key=lambda project: -lengths[project])[:MOST_PROJECTS]
    for group in queued:
        yield (group.project if group.project in named else OTHERS, group.reason), group.count
