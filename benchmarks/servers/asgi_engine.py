"""The replica's own engine and batches on bare ASGI, without Ray: an application factory for uvicorn."""

import os

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.servers.network import PREFIX, STORE, served
from deploy.answering import Answering
from deploy.classifier import Classifier, member
from trainer.contract.evaluation import EvaluatedModel
from trainer.contract.serving import ReplicaArgs
from trainer.engines.choose import here


class Silent:
    """Metrics that nobody reads."""

    def stage(self, name: str, seconds: float) -> None: ...
    def batch(self, images: int) -> None: ...
    def refusal(self, status: int) -> None: ...


def app() -> ASGIApp:
    version = served()
    threads = os.cpu_count() or 1
    model = EvaluatedModel(name="bare", version=1, prefix=os.environ[PREFIX])
    args = ReplicaArgs(
        store=os.environ[STORE], name="bare", version=1, members=(model,), threads=threads
    )
    classifier = Classifier((member(model, version, here(version.device, threads)),))
    answering = Answering(args, classifier, Silent())

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request({**scope, "headers": [(b"content-type", b"image/jpeg")]}, receive)
        response = await answering.answer(request)
        await response(scope, receive, send)

    return serve
