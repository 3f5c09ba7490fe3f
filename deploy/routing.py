"""Which of a version's replicas Ray Serve's proxy asks. Named to Ray Serve by `app`.

Serve's own choice is among the replicas of the proxy's node, if it has one, until these are full. Ours never
are in Serve's eyes (`app.ONGOING`), so replicas on all other nodes would have nothing to do.
"""

import random

from ray.serve.request_router import FIFOMixin, PendingRequest, RequestRouter, RunningReplica


class TwoOfAll(FIFOMixin, RequestRouter):  # type: ignore[misc]  # Ray's has no types
    """The power of two choices, on whatever node: of two replicas at random, Serve asks the one that has less
    to do."""

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        if pending_request is not None:
            # These are no first choice, after which others are asked at once: they are all that there are.
            pending_request.routing_context.should_backoff = True
        return [random.sample(candidate_replicas, min(2, len(candidate_replicas)))]
