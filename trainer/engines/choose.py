"""Which engine computes a version: of those that answer as it does, the fastest here (`choose`: replicas), or
the first of some names (`first`: batch predictions).

Built, and for `choose` measured, on the golden batch, within a few seconds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.engines import eager, inductor, openvino
from trainer.engines.engine import Engine, Given, Hardware, Kind, of_images
from trainer.evaluation.version import Unfit, Version

AUTO = "auto"
TOLERANCE = 0.02
"""How far a probability of the golden batch may be from the eager network's."""
SIZES = (1, 8)
"""Images in the batches that are measured: a lone request's, and a busy replica's."""
MEASURE_S = 0.2
"""Of CPU, for each engine and size; at least one batch is measured."""
WORTH = 0.9
"""Of the time of a more exact engine: a less exact one must not take more."""

KINDS = (
    Kind("eager", lambda on: True, eager.build),  # noqa: ARG005 - as the others' predicates
    Kind("openvino-f32", lambda on: on.device == "cpu", openvino.float32),
    Kind("openvino-bf16", lambda on: on.device == "cpu" and on.bf16, openvino.bfloat16),
    Kind("inductor-bf16", lambda on: on.device == "cuda", inductor.build),
)
"""The most exact first."""


@dataclass(frozen=True)
class Tried:
    """An engine that was built, or why there is none."""

    name: str
    engine: Engine | None = None
    difference: float = 0.0
    """Of the golden batch's probabilities from the eager network's, at most."""
    milliseconds: tuple[float, ...] = ()
    """Of CPU an image, for each of `SIZES`; on a GPU, of time."""
    why_not: str = ""

    def __str__(self) -> str:
        if self.why_not:
            return f"{self.name}: {self.why_not}"
        times = zip(SIZES, self.milliseconds, strict=False)  # of a single engine there are none
        said = [f"{each:.2f} ms an image in batches of {size}, " for size, each in times]
        return f"{self.name}: {''.join(said)}probabilities within {self.difference:.1g}"


@dataclass(frozen=True)
class Choice:
    """What a replica computes with, and what else was tried."""

    name: str
    engine: Engine
    tried: tuple[Tried, ...]


def choose(
    version: Version, hardware: Hardware, *, wanted: str = AUTO, kinds: Sequence[Kind] = KINDS
) -> Choice:
    """The engine named `wanted`, or the fastest. Raises Unfit if `wanted` cannot be had here."""
    given = of_images(version, hardware)
    tried = tuple(
        tried_out(kind, given, measured=wanted == AUTO)
        for kind in kinds
        if wanted in (AUTO, kind.name) and kind.suits(hardware)
    )
    best: Tried | None = None
    for each in tried:
        if each.engine and (best is None or _time(each) < WORTH * _time(best)):
            best = each
    if best is None or best.engine is None:
        said = "; ".join(map(str, tried)) or f"there is no engine '{wanted}' for this hardware"
        raise Unfit(f"{said}; RESIDUAL_SERVE_ENGINE=auto finds one that works")
    return Choice(best.name, best.engine, tried)


def first(
    version: Version, hardware: Hardware, names: Sequence[str], *, kinds: Sequence[Kind] = KINDS
) -> Choice:
    """The first of `names` that suits and answers as the version does. Nothing is measured, so equal machines
    take the same. Raises Unfit if there is none."""
    given = of_images(version, hardware)
    known, tried = {kind.name: kind for kind in kinds}, []
    for name in names:
        if known[name].suits(hardware):
            tried.append(tried_out(known[name], given, measured=False))
            if found := tried[-1].engine:
                return Choice(name, found, tuple(tried))
    raise Unfit(
        "; ".join(map(str, tried)) or f"no engine of {', '.join(names)} suits this hardware"
    )


def here(device: torch.device, threads: int) -> Hardware:
    """What this process has; `threads` of one batch on a CPU."""
    bf16 = device.type == "cpu" and openvino.multiplies_bf16()
    return Hardware(device=device.type, threads=threads, bf16=bf16)


def tried_out(kind: Kind, given: Given, *, measured: bool) -> Tried:
    """The engine, unless it cannot be built or answers otherwise than the eager network."""
    golden, reference = given.golden, given.reference
    try:
        engine = kind.build(given)
        logits = engine.logits(golden)
    except Exception as error:  # noqa: BLE001 - libraries raise anything; another engine will do
        return Tried(kind.name, why_not=f"cannot be built here ({error})".replace("\n", " "))
    difference = (logits.softmax(1) - reference.softmax(1)).abs().max().item()
    if not torch.equal(logits.argmax(1), reference.argmax(1)):
        return Tried(kind.name, why_not="sees other classes in the golden batch")
    if not difference <= TOLERANCE:  # also when it is not a number
        return Tried(kind.name, why_not=f"a probability is off by {difference:.2g}")
    # What else runs on the machine must not decide: it takes time from a process, but no CPU time.
    clock = time.process_time if given.hardware.device == "cpu" else time.perf_counter
    times = tuple(_measured(engine, golden, size, clock) for size in SIZES) if measured else ()
    return Tried(kind.name, engine, difference, times)


def _measured(engine: Engine, golden: Tensor, size: int, clock: Callable[[], float]) -> float:
    """Milliseconds an image in the fastest of a few batches of `size`."""
    batch = golden[torch.arange(size) % len(golden)]
    times: list[float] = []
    while not times or sum(times) < MEASURE_S:
        began = clock()
        engine.logits(batch)
        times.append(clock() - began)
    return min(times) * 1000 / size


def _time(tried: Tried) -> float:
    return sum(tried.milliseconds)
