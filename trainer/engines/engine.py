"""What an engine is: one way of computing a version's logits. `choose` picks one for each replica."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from trainer.evaluation.version import Version


class Engine(Protocol):
    """Computes one batch at a time. An engine knows neither image files nor Ray."""

    def logits(self, pixels: Tensor) -> Tensor:
        """Prepared images uint8 (B, 3, S, S) on the CPU → float32 (B, classes) on the CPU."""


class Hardware(NamedTuple):
    """What an engine may compute with."""

    device: str
    """cpu or cuda."""
    threads: int
    """Of one batch on a CPU."""
    bf16: bool
    """Whether it multiplies bfloat16 faster than float32."""


@dataclass(frozen=True)
class Given:
    """What an engine is built from."""

    version: Version
    hardware: Hardware
    reference: Tensor
    """The eager network's logits of the golden batch."""
    shared: dict[str, Any] = field(default_factory=dict)
    """What the build of one engine made and that of another may use."""


class Kind(NamedTuple):
    """A way of computing, before it is built for a version."""

    name: str
    suits: Callable[[Hardware], bool]
    """Whether it can be faster than the others on this hardware."""
    build: Callable[[Given], Engine]
    """Takes up to seconds. Raises whatever its library raises."""
