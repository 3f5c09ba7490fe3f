"""The Ray Serve application of one model version. The service names it to Ray Serve as `build`."""

from ray import serve
from starlette.requests import Request
from starlette.responses import Response

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
        from deploy import metrics, start
        from deploy.answering import Answering

        self._answering = Answering(args, start.classifier(args), metrics.of(args))

    async def __call__(self, request: Request) -> Response:
        """GET says who answers; POST classifies, as `POST /predict` of the service does."""
        if request.method == "GET":
            return self._answering.who()
        return await self._answering.answer(request)


def build(args: ReplicaArgs) -> serve.Application:
    """The application. Each replica is one process; how many, the service says."""
    deployment = serve.deployment(
        Replica,
        name=DEPLOYMENT,
        max_ongoing_requests=ONGOING,
        max_queued_requests=QUEUED,
        # A version that fails to start fails at once; the service tries it again later.
        max_constructor_retry_count=1,
        logging_config={"enable_access_log": False},
    )
    return deployment.bind(args)
