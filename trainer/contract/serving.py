"""What clients, the service and a replica of a deployed model tell each other.

The service passes a client's body on as it came, or images as `pack` joins them; a replica answers with
`Classified`, or with a problem (`trainer.contract.problems`), and clients get either as it is.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from trainer.contract.evaluation import EvaluatedModel, Protocol
from trainer.contract.names import Name

APPLICATION = "deploy.app:build"
"""Import path of the Ray Serve application."""
DEPLOYMENT = "replica"
"""Name of the one Ray Serve deployment inside it."""
MAX_IMAGES = 64
"""Images in one request."""
MAX_TOP_K = 1000
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
"""Media types of a body that is one image."""
PACKED = "application/x-residual-images"
"""Media type of what `pack` makes."""
TIMEOUT_HEADER = "x-request-timeout-seconds"
"""Of a request to a replica: after so long nobody waits for the answer, and it is not computed."""

Engine = Literal["auto", "eager", "openvino-f32", "openvino-bf16", "inductor-bf16"]
"""What a replica computes with; auto is the fastest there that answers as the network does."""

BASE64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)
"""A PNG of one white pixel, for examples."""

_LENGTH_BYTES = 4


class ReplicaArgs(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What a replica is started with."""

    store: str
    """URL of the object store."""
    name: Name
    version: int
    members: tuple[EvaluatedModel, ...] = Field(min_length=1)
    """The model version itself, or those that an ensemble averages."""
    ensemble: bool = False
    """Whether `name` and `version` are an ensemble's."""
    threads: int
    """Of one forward pass on a CPU; 0 takes as many as the machine has."""
    engine: Engine = "auto"
    """See `trainer/engines`."""
    max_bytes: int = 20 << 20
    """Of a request's body."""


class Question(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """The query of a prediction."""

    model: Name | None = None
    """May be left out while exactly one is deployed."""
    version: int | None = Field(default=None, ge=1, le=2**31 - 1, examples=[1])
    """Refuse the answer of another version."""
    protocol: Protocol | None = None
    """How each image is shown to the network: center, 10-crop or multi-scale, as in evaluations; an image
    counts as 1, 10 or 36. Default: what the deployment says, which is center unless it was asked for more."""
    top_k: int = Field(default=5, ge=1)
    """Classes in the answer, the most probable first; all of them if there are fewer."""


class ImagesIn(BaseModel):
    """Images in JSON, for clients that can send nothing else: a third larger than as they are."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"images": [BASE64]}]},
    )

    images: list[str] = Field(min_length=1, max_length=MAX_IMAGES)
    """Whole JPEG, PNG or WebP files, each in base64."""


class Member(BaseModel, frozen=True, use_attribute_docstrings=True):
    """A model version of an ensemble."""

    model: Name
    version: int


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
                    "protocol": "center",
                    "ensemble": None,
                }
            ]
        },
    )

    model: Name
    version: int
    results: tuple[ImageResult, ...]
    """One an image, in the order they were sent."""
    preprocessing: str
    """Digest of the transform that was applied; of an ensemble each one that differs, joined by +."""
    protocol: Protocol = "center"
    """How each image was shown to the network."""
    ensemble: tuple[Member, ...] | None = None
    """The models whose probabilities were averaged, if it is an ensemble."""


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


def unbase64(text: str, *, field: str) -> bytes:
    """The bytes that a text of a body stands for. Raises ValueError, which names the `field`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # the second: letters that are not ASCII
        raise ValueError(
            f"'{field}' is not base64 ({str(error).rstrip('.')}); send the file's bytes as RFC 4648 "
            "writes them, without line breaks and without 'data:' before them."
        ) from error
