"""Ray Serve as its documents show it: `@serve.batch` and eager torch, on a Ray of its own.
`python -m benchmarks.servers.serve_default PORT`."""

import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request
from torch import Tensor

from benchmarks.servers.network import BATCH, WAIT_S, answers, pixels, served


@serve.deployment(max_ongoing_requests=64)
class Classifier:
    def __init__(self) -> None:
        self.version = served()

    @serve.batch(  # type: ignore[untyped-decorator]
        max_batch_size=BATCH, batch_wait_timeout_s=WAIT_S
    )
    async def classify(self, batch: list[Tensor]) -> list[list[dict[str, Any]]]:
        return answers(self.version, batch)

    async def __call__(self, request: Request) -> list[dict[str, Any]]:
        image = pixels(self.version, await request.body())
        answer: list[dict[str, Any]] = await self.classify(image)
        return answer


def main() -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(
        Classifier.bind(),  # type: ignore[attr-defined]
        route_prefix="/predict",
    )
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()


if __name__ == "__main__":
    main()
