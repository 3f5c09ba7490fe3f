"""What a version's views are computed with: an engine of the chosen kind, made when a request first asks for
such views, so that replicas that are never asked hold none. Used by `classifier`."""

import logging
from dataclasses import dataclass, field

from trainer.contract.evaluation import Protocol
from trainer.engines import eager
from trainer.engines.choose import KINDS, TOLERANCE, tried_out
from trainer.engines.engine import Engine, Hardware, of_views
from trainer.evaluation.version import Version
from trainer.evaluation.views import views

log = logging.getLogger("ray.serve")  # what Serve keeps of a replica's words


@dataclass
class Views:
    """The engines of one version, for one thread."""

    version: Version
    hardware: Hardware
    kind: str
    """The name of the engine that takes its prepared images."""
    _made: dict[Protocol, Engine] = field(default_factory=dict)

    def engine(self, protocol: Protocol) -> Engine:
        """It takes every view of `protocol`, float32 (B, 3, s, s) less the mean. Made in seconds, once."""
        if protocol not in self._made:
            self._made[protocol] = self._make(protocol)
        return self._made[protocol]

    def _make(self, protocol: Protocol) -> Engine:
        given = of_views(self.version, self.hardware, any_side=protocol == "multi-scale")
        exact = eager.build(given)
        for kind in KINDS:
            if kind.name == self.kind != "eager":
                tried = tried_out(kind, given, measured=False)
                why_not = tried.why_not
                if tried.engine:
                    why_not = self._differs(tried.engine, exact, protocol)
                    if not why_not:
                        return tried.engine
                log.warning(f"views of {protocol} are computed by eager, for {kind.name} {why_not}")
        return exact

    def _differs(self, engine: Engine, exact: Engine, protocol: Protocol) -> str:
        """How its answer to any of an image's views is another one; views have sizes that the golden batch
        has not."""
        pixels, transform = (
            self.version.golden[:1].to(self.version.device),
            self.version.meta.transform,
        )
        for view in views(protocol, pixels, self.version.pixel_mean, transform):
            one, other = (each.logits(view).softmax(1) for each in (engine, exact))
            if not (difference := (one - other).abs().max().item()) <= TOLERANCE:
                return f"is off by {difference:.2g} in a view of {view.shape[-1]} pixels"
        return ""
