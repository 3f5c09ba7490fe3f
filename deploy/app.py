"""The Ray Serve application of one model version. The service names it to Ray Serve as `build`."""

import os

import ray
from ray import serve
from ray.serve.config import RequestRouterConfig
from starlette.requests import Request
from starlette.responses import Response

from deploy.routing import TwoOfAll
from trainer.contract import doors
from trainer.contract.serving import DEPLOYMENT, ReplicaArgs

ONGOING = 1000
"""Requests at a replica. It counts images itself and refuses at once what is too much (`answering.INSIDE`);
Serve would let requests wait where no batch can take them."""
QUEUED = 64
"""Requests that wait for a replica while none can be reached; more are answered 503 at once."""


class Replica:
    """One process that answers for a model version."""

    def __init__(self, args: ReplicaArgs) -> None:
        # torch is loaded here: Ray Serve imports this module in other processes as well.
        from deploy import door, metrics, start
        from deploy.answering import Answering

        self._answering = Answering(args, start.classifier(args), metrics.of(args))
        # Serve calls this in the event loop in which it answers.
        host = os.environ.get(doors.ADDRESS, ray.util.get_node_ip_address())
        self._door = door.opened(host, self._answering.answer) if host else None

    async def __call__(self, request: Request) -> Response:
        """GET says who answers; POST classifies, as `POST /predict` of the service does."""
        if request.method == "GET":
            return self._answering.who()
        response = await self._answering.answer(request)
        if self._door and request.headers.get(doors.HEADER) == doors.WHERE:
            response.headers[doors.HEADER] = self._door.door.said
        return response

    async def __del__(self) -> None:
        """Serve awaits it when the replica is to end."""
        if self._door:
            await self._door.close()


def build(args: ReplicaArgs) -> serve.Application:
    """The application. Each replica is one process; how many, the service says."""
    deployment = serve.deployment(
        Replica,
        name=DEPLOYMENT,
        max_ongoing_requests=ONGOING,
        max_queued_requests=QUEUED,
        request_router_config=RequestRouterConfig(request_router_class=TwoOfAll),
        # A version that fails to start fails at once; the service tries it again later.
        max_constructor_retry_count=1,
        logging_config={"enable_access_log": False},
    )
    return deployment.bind(args)
