"""The replica's own engine and batches on bare ASGI, without Ray: an application factory for uvicorn."""

import os

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.servers.network import PREFIX, STORE, served
from deploy.answering import Answering
from deploy.classifier import Classifier
from trainer.contract.serving import ReplicaArgs, pack
from trainer.engines.choose import choose, here


class Silent:
    """Metrics that nobody reads."""

    def stage(self, name: str, seconds: float) -> None: ...
    def batch(self, images: int) -> None: ...
    def refusal(self, status: int) -> None: ...


def app() -> ASGIApp:
    version = served()
    threads = os.cpu_count() or 1
    args = ReplicaArgs(
        store=os.environ[STORE], prefix=os.environ[PREFIX], name="bare", version=1, threads=threads
    )
    choice = choose(version, here(version.device, threads))
    answering = Answering(args, Classifier(version, choice), Silent())

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await answering.answer(pack([await request.body()]), request)
        await response(scope, receive, send)

    return serve
