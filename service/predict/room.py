"""How many predictions one process takes on at once, how much of their bodies, and how many for a deployment.
Used by `service`."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from anyio import fail_after

from service.deployments.answering import Who
from service.errors import Malformed, ModelUnavailable

INSIDE = 2048
"""Requests that this process has taken and not answered. One whose body comes slowly is not much to hold."""
HELD = 512 << 20
"""Bytes of their bodies, all together."""
ON_A_CPU, ON_A_GPU = 32, 96
"""How many are asked for each replica that a deployment may have: some of its largest batches, so that it
never waits for work, and nobody long. More would wait in Ray Serve's proxy, where the replica that would
refuse them does not see them."""
ARRIVES_WITHIN_S = 120.0
"""What a body has time for: of the largest, 1.4 Mbit/s."""


@dataclass
class Room:
    """Requests that were taken and not answered. Used by one event loop."""

    for_a_replica: int = ON_A_CPU
    inside: int = 0
    held: int = 0
    """Bytes."""
    asking: "Counter[tuple[str, str]]" = field(default_factory=Counter)
    """Those that ask a replica, by project and deployment."""

    def __enter__(self) -> None:
        """One more. Raises ModelUnavailable when this process has as many as it takes."""
        if self.inside >= INSIDE:
            raise ModelUnavailable(
                f"{INSIDE} predictions are on their way already, which is as many as this service takes at "
                "once; try again in a moment."
            )
        self.inside += 1

    def __exit__(self, *_: object) -> None:
        self.inside -= 1

    @asynccontextmanager
    async def holding(
        self, pieces: AsyncIterator[bytes], *, within_s: float = ARRIVES_WITHIN_S
    ) -> AsyncIterator[bytes]:
        """A body, whole. Raises Malformed when it does not come within `within_s`, ModelUnavailable when
        there is no room for it."""
        arrived: list[bytes] = []
        size = 0
        try:
            try:
                with fail_after(within_s):
                    async for piece in pieces:
                        self._hold(len(piece))
                        size += len(piece)
                        arrived.append(piece)
            except TimeoutError as error:
                raise Malformed(
                    f"The body did not come within {within_s:g} s; send fewer images in a request, or "
                    "smaller ones."
                ) from error
            whole = b"".join(arrived)
            arrived.clear()
            yield whole
        finally:
            self.held -= size

    def check(self, project: str, who: Who) -> None:
        """Raises ModelUnavailable when the replicas have as many as they take."""
        if self.asking[project, who.model] >= self.for_a_replica * who.replicas:
            raise ModelUnavailable(
                f"'{who.model}' has as many predictions on their way as its replicas take at once; try again "
                "in a moment, or let it have more replicas."
            )

    @contextmanager
    def asked(self, project: str, who: Who) -> Iterator[None]:
        """One more asks a replica. Raises as `check` does."""
        self.check(project, who)
        whose = project, who.model
        self.asking[whose] += 1
        try:
            yield
        finally:
            self.asking[whose] -= 1

    def _hold(self, size: int) -> None:
        if self.held + size > HELD:
            raise ModelUnavailable(
                f"The predictions on their way hold {HELD >> 20} MiB, which is as much as this service takes "
                "at once; try again in a moment, or send smaller images."
            )
        self.held += size
