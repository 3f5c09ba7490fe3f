"""What a job would be and need: the answer to a dry run."""

from dataclasses import dataclass

from service.cluster.cluster import Capacity
from service.jobs import fit
from trainer.contract import counting
from trainer.contract.reasons import Reason
from trainer.contract.spec import Demand, ResolvedSpec

BYTES_PER_PARAMETER = 12
"""fp32 weight, gradient and momentum."""
BYTES_PER_ACTIVATION = 4
"""fp32; bf16 autocast halves most of them."""


@dataclass(frozen=True)
class Plan:
    """A job that has not been made."""

    spec: ResolvedSpec
    parameters: int
    multiply_adds: int
    """Of one image's forward pass, as the paper counts."""
    memory_per_worker_bytes: int
    """An estimate: 12 bytes a parameter (fp32 weight, gradient, momentum) and 4 bytes an activation
    of the worker's images. The libraries' own memory comes on top."""
    demand: Demand
    cluster: Capacity | None
    """As last seen; None while the cluster has not answered."""
    checks: tuple[Reason, ...]
    """What would keep it from starting now."""


def make(spec: ResolvedSpec, capacity: Capacity | None) -> Plan:
    arch = spec.architecture
    parameters = counting.parameters(arch, spec.classes)
    activations = counting.activations(arch, spec.input_size) * spec.per_worker_batch
    return Plan(
        spec=spec,
        parameters=parameters,
        multiply_adds=counting.multiply_adds(arch, spec.classes, spec.input_size),
        memory_per_worker_bytes=(
            parameters * BYTES_PER_PARAMETER + activations * BYTES_PER_ACTIVATION
        ),
        demand=spec.demand,
        cluster=capacity,
        checks=_checks(spec, capacity),
    )


def _checks(spec: ResolvedSpec, capacity: Capacity | None) -> tuple[Reason, ...]:
    if capacity is None:
        return (fit.NO_CLUSTER,)
    total, free = fit.whole(capacity), fit.free(capacity, Demand(cpus=0, gpus=0))
    if hopeless := fit.never(spec, total):
        return (hopeless,)
    return () if fit.place(spec, free) is not None else (fit.waits(spec, total, free),)
