"""LitServe with batches and eager torch. Run by `serving_targets`, where it is installed."""

import base64
import sys
from typing import Any

import litserve
from torch import Tensor

from benchmarks.servers.network import BATCH, WAIT_S, answers, pixels, served


class Classifier(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.version = served()

    def decode_request(self, request: dict[str, str]) -> Tensor:
        return pixels(self.version, base64.b64decode(request["image"]))

    def batch(self, inputs: list[Tensor]) -> list[Tensor]:
        return inputs

    def predict(self, batch: list[Tensor]) -> list[Any]:
        return answers(self.version, batch)

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"predictions": output}


def main() -> None:
    api = Classifier(max_batch_size=BATCH, batch_timeout=WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)


if __name__ == "__main__":
    main()
