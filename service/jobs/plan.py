"""What a job would be and need: the answer to a dry run."""

from dataclasses import dataclass
from typing import NamedTuple

from service.cluster.cluster import Capacity
from service.jobs import fit, notes, sweep_plan
from service.jobs.pace import UNKNOWN, Pace
from service.jobs.resolving import Decided
from service.jobs.sweep_plan import SweepPlan
from trainer.contract import counting
from trainer.contract.archs import Network
from trainer.contract.asked import Batched, Demand
from trainer.contract.checkpoints import CheckpointMeta
from trainer.contract.evaluation import Protocol, ResolvedEvaluation, view_sides
from trainer.contract.kinds import Resolved
from trainer.contract.prediction import ResolvedPrediction
from trainer.contract.reasons import Reason
from trainer.contract.spec import ResolvedSpec
from trainer.contract.sweep import ResolvedSweep

BYTES_PER_PARAMETER = 12
"""fp32 weight, gradient and momentum."""
BYTES_PER_VALUE = 4
"""fp32; bf16 autocast halves most activations."""


class Counts(NamedTuple):
    """What a plan says in figures; `Plan` documents them."""

    parameters: int
    multiply_adds: int
    memory_per_worker_bytes: int


@dataclass(frozen=True)
class Plan:
    """A job that has not been made."""

    spec: Resolved
    parameters: int
    """Of the network, or of all models of an evaluation together."""
    multiply_adds: int
    """Of one image's forward pass, as the paper counts; of an evaluation through all models, in all
    views of the image."""
    memory_per_worker_bytes: int
    """An estimate; `schemas.PlanOut` says of what."""
    demand: Demand
    """With all of its workers."""
    least_demand: Demand
    """With the fewest workers that it starts with."""
    cluster: Capacity | None
    """As last seen; None while the cluster has not answered."""
    checks: tuple[Reason, ...]
    """What would keep it from starting now."""
    notes: tuple[str, ...]
    """What was decided for the caller and may surprise, in sentences."""
    sweep: SweepPlan | None = None
    """Of a sweep: its trials."""


def make(decided: Decided, capacity: Capacity | None, pace: Pace = UNKNOWN) -> Plan:
    """`pace` is that of the trainings that were measured on the cluster."""
    spec = decided.spec
    swept = (
        sweep_plan.make(spec, decided.trials, capacity, pace)
        if isinstance(spec, ResolvedSweep)
        else None
    )
    return Plan(
        spec=spec,
        **_counts(decided)._asdict(),
        demand=spec.demand,
        least_demand=fit.demand(spec, spec.least_workers),
        cluster=capacity,
        checks=_checks(spec, capacity),
        notes=tuple(notes.of(decided)),
        sweep=swept,
    )


def _counts(decided: Decided) -> Counts:
    match decided.spec:
        case ResolvedSpec() as spec:
            return _of_training(spec)
        case ResolvedEvaluation() as spec:
            return _of_models(spec, decided.models, spec.protocol)
        case ResolvedPrediction() as spec:
            return _of_models(spec, decided.models, "center")
        case _:  # of a sweep: its largest trials
            each = [_of_training(trial) for trial in decided.trials]
            return Counts(*(max(amounts) for amounts in zip(*each, strict=True)))


def _of_training(spec: ResolvedSpec) -> Counts:
    network, side = spec.network, spec.input_size
    parameters = counting.parameters(network, spec.classes)
    each = BYTES_PER_PARAMETER + (BYTES_PER_VALUE if spec.recipe.ema_decay else 0)
    kept = counting.activations(network, side, checkpointed=spec.checkpoint_activations)
    return Counts(
        parameters=parameters,
        multiply_adds=counting.multiply_adds(network, spec.classes, side),
        memory_per_worker_bytes=parameters * each + kept * spec.per_worker_batch * BYTES_PER_VALUE,
    )


def _of_models(spec: Batched, models: tuple[CheckpointMeta, ...], protocol: Protocol) -> Counts:
    parameters = multiply_adds = working = 0
    for meta in models:
        network, classes = meta.architecture, len(meta.class_names)
        sides = view_sides(protocol, meta.transform.input_size)
        parameters += counting.parameters(network, classes)
        multiply_adds += sum(counting.multiply_adds(network, classes, side) for side in sides)
        working = max(working, _largest(network, max(sides)))
    batch = working * spec.per_worker_batch
    return Counts(parameters, multiply_adds, (parameters + batch) * BYTES_PER_VALUE)


def _largest(network: Network, side: int) -> int:
    """Values of one image that the widest layer holds at once: without gradients no other's remain."""
    return max(layer.activations for layer in counting.convolutions(network, side))


def _checks(spec: Resolved, capacity: Capacity | None) -> tuple[Reason, ...]:
    if capacity is None:
        return (fit.NO_CLUSTER,)
    total, free = fit.whole(capacity), fit.free(capacity, Demand(cpus=0, gpus=0))
    if hopeless := fit.never(spec, total):
        return (hopeless,)
    return () if fit.place(spec, free) is not None else (fit.waits(spec, total, free),)
