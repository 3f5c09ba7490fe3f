"""What an engine is: one way of computing a version's logits. `choose` picks one for each replica."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from trainer.data.batches import normalise
from trainer.engines.scaled import Scaled
from trainer.evaluation.version import Version


class Engine(Protocol):
    """Computes one batch at a time. An engine knows neither image files nor Ray."""

    def logits(self, pixels: Tensor) -> Tensor:
        """Prepared images uint8 (B, 3, S, S) on the CPU, or views of them, as `Given` says → float32
        (B, classes) on the CPU."""


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
    """What an engine is built from: what it is to compute, and what must come out."""

    version: Version
    hardware: Hardware
    module: nn.Module
    """Of prepared images, or the network alone, of their views."""
    golden: Tensor
    """What `module` takes, of the version's golden batch."""
    reference: Tensor
    """The eager network's logits of the golden batch."""
    any_side: bool = False
    """Whether it must take images of any side."""
    shared: dict[str, Any] = field(default_factory=dict)
    """What the build of one engine made and that of another may use."""


def of_images(version: Version, hardware: Hardware) -> Given:
    """An engine that takes prepared images, uint8 (B, 3, S, S)."""
    reference = version.logits(version.golden).float().cpu()
    return Given(version, hardware, Scaled(version).eval(), version.golden, reference)


def of_views(version: Version, hardware: Hardware, *, any_side: bool) -> Given:
    """An engine that takes views, float32 (B, 3, s, s) less the mean, on the version's device."""
    reference = version.logits(version.golden).float().cpu()
    pixels = version.golden.to(version.device)
    golden = normalise(pixels, version.pixel_mean, version.meta.transform)
    return Given(version, hardware, version.network, golden, reference, any_side=any_side)


class Kind(NamedTuple):
    """A way of computing, before it is built for a version."""

    name: str
    suits: Callable[[Hardware], bool]
    """Whether it can be faster than the others on this hardware."""
    build: Callable[[Given], Engine]
    """Takes up to seconds. Raises whatever its library raises."""
