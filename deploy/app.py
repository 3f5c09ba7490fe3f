"""The Ray Serve application of one model version. The service names it to Ray Serve as `build`."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trainer.contract.serving import DEPLOYMENT, Classified, Refusal, ReplicaArgs, unpack

if TYPE_CHECKING:
    from torch import Tensor

ONGOING = 8
"""Requests in work at a replica: one computes while others arrive and leave."""
QUEUED = 64
"""Requests that wait for a replica; more are answered 503 at once."""


class Replica:
    """One process that answers for a model version."""

    def __init__(self, args: ReplicaArgs) -> None:
        # torch is loaded here: Ray Serve imports this module in other processes as well.
        from deploy import start

        self._args = args
        self._classifier = start.classifier(args)
        # One: each thread that runs the network would keep a set of torch's own threads busy
        # (measured with two: 5.5 ms an image instead of 1.9).
        self._network = ThreadPoolExecutor(max_workers=1)

    async def __call__(self, request: Request) -> Response:
        """GET says who answers; POST classifies a body that `pack` made."""
        if request.method == "GET":
            return JSONResponse({"model": self._args.name, "version": self._args.version})
        from deploy.classifier import Refused  # torch, as above

        try:
            images = unpack(await request.body())
            top_k = int(request.query_params.get("top_k", "5"))
            # Beside the network's thread: one request is decoded while another is computed.
            pixels = await asyncio.to_thread(self._classifier.prepare, images)
        except Refused as error:
            return _refuse(error.status, str(error), error.index)
        except ValueError as error:
            return _refuse(422, str(error), None)
        answer = asyncio.get_running_loop().run_in_executor(
            self._network, self._answer, pixels, top_k
        )
        return Response(await answer, media_type="application/json")

    def _answer(self, pixels: "Tensor", top_k: int) -> str:
        answer = Classified(
            model=self._args.name,
            version=self._args.version,
            results=self._classifier.classify(pixels, top_k=top_k),
            preprocessing=self._classifier.version.meta.transform.digest,
        )
        return answer.model_dump_json()


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


def _refuse(status: int, detail: str, index: int | None) -> Response:
    refusal = Refusal(status=status, detail=detail, index=index)
    return Response(refusal.model_dump_json(), status, media_type="application/json")
