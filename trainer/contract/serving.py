"""What the service and a replica of a deployed model tell each other.

The service sends images of one request in one body, as `pack` joins them; a replica answers with
`Classified`, or with `Refusal` and the status that the client gets.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from trainer.contract.names import Name

APPLICATION = "deploy.app:build"
"""Import path of the Ray Serve application."""
DEPLOYMENT = "replica"
"""Name of the one Ray Serve deployment inside it."""
MAX_IMAGES = 64
"""Images in one request."""
MAX_TOP_K = 1000
TIMEOUT_HEADER = "x-request-timeout-seconds"
"""Of a request to a replica: after so long nobody waits for the answer, and it is not computed."""

Engine = Literal["auto", "eager", "openvino-f32", "openvino-bf16", "inductor-bf16"]
"""What a replica computes with; auto is the fastest there that answers as the network does."""

_LENGTH_BYTES = 4


class ReplicaArgs(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What a replica is started with. `prefix` in `store` holds the model version."""

    store: str
    """URL of the object store."""
    prefix: str
    name: Name
    version: int
    threads: int
    """Of one forward pass on a CPU; 0 takes as many as the machine has."""
    engine: Engine = "auto"
    """See `trainer/engines`."""


class Prediction(BaseModel, frozen=True, use_attribute_docstrings=True):
    """One class that an image may show."""

    label: str
    index: int
    """Of the class, from 0."""
    probability: float
    """Softmax over all classes, 0 … 1."""


class ImageResult(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What one image shows."""

    predictions: tuple[Prediction, ...]
    """The most probable first."""


class Classified(BaseModel):
    """A replica's answer, and the answer of `POST /predict`."""

    model_config = ConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "model": "fashion",
                    "version": 1,
                    "results": [
                        {
                            "predictions": [
                                {"label": "Ankle boot", "index": 9, "probability": 0.97},
                                {"label": "Sneaker", "index": 7, "probability": 0.02},
                            ]
                        }
                    ],
                    "preprocessing": "3b1f0c5a9d2e4f60",
                }
            ]
        },
    )

    model: Name
    version: int
    results: tuple[ImageResult, ...]
    """One an image, in the order they were sent."""
    preprocessing: str
    """Digest of the transform that was applied."""


class Refusal(BaseModel, frozen=True, use_attribute_docstrings=True):
    """Why a replica did not classify a request."""

    status: int
    """HTTP status that the client is to get: 413, 415, 422 or 503."""
    detail: str
    """A sentence."""
    index: int | None
    """Which image was at fault, from 0."""


def pack(images: Sequence[bytes]) -> bytes:
    """One body of several images: before each its length, four bytes, big-endian."""
    parts = []
    for image in images:
        parts += [len(image).to_bytes(_LENGTH_BYTES, "big"), image]
    return b"".join(parts)


def unpack(body: bytes) -> list[bytes]:
    """The images that `pack` joined. Raises ValueError for any other body."""
    images, at = [], 0
    while at < len(body):
        start = at + _LENGTH_BYTES
        end = start + int.from_bytes(body[at:start], "big")
        if end > len(body) or start > len(body):
            raise ValueError("the body ends within an image")
        images.append(body[start:end])
        at = end
    return images
