"""TorchServe's handler: batches and eager torch. TorchServe loads this file by itself."""

from typing import Any

from benchmarks.servers.network import answers, pixels, served


class Handler:
    """What TorchServe calls for each batch; a class, as its documents show."""

    def initialize(self, context: Any) -> None:
        self.version = served()

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[Any]:
        images = [bytes(row.get("body") or row.get("data")) for row in data]  # type: ignore[arg-type]
        return answers(self.version, [pixels(self.version, image) for image in images])
