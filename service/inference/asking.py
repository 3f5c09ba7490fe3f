"""Requests of the Open Inference Protocol as they come: JSON, with or without binary data behind it.
Used by its routes."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Request

from service.errors import Invalid, Malformed, UnsupportedMedia
from service.http import json_body
from service.inference.schemas import InferIn, InputIn, OutputIn
from trainer.contract.evaluation import Protocol
from trainer.contract.serving import MAX_IMAGES

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header: bytes of the JSON object, when binary data is behind it."""

_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Asked:
    """What is to be classified, and how the answer is wanted."""

    id: str | None
    images: list[bytes]
    classes: int | None
    """So many, as texts; None: the probabilities of all."""
    binary: bool
    """The answer's tensor comes behind its JSON object."""
    protocol: Protocol | None = None
    """None: the deployment's."""


async def asked(request: Request) -> Asked:
    """Raises Malformed, Invalid or UnsupportedMedia. What the images are, the replica sees."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("Send the request uncompressed; images are compressed as they are.")
    return read(await request.body(), request.headers.get(HEADER_LENGTH))


def read(body: bytes, header_length: str | None) -> Asked:
    """`header_length` is the header's text, None if there is none."""
    length = _length(header_length, len(body))
    said = json_body.read(body[:length], InferIn)
    (tensor,), (output, *_) = said.inputs, [*said.outputs, OutputIn()]
    binary = output.parameters.binary_data
    return Asked(
        id=said.id,
        images=list(_images(tensor, body[length:])),
        classes=output.parameters.classification,
        binary=said.parameters.binary_data_output if binary is None else binary,
        protocol=said.parameters.protocol,
    )


def _length(said: str | None, whole: int) -> int:
    if said is None:
        return whole
    if not (said.isascii() and said.isdigit() and len(said) < 20 and int(said) <= whole):
        raise Malformed(
            f"{HEADER_LENGTH} is '{said[:100]}' and the body has {whole} bytes; send the number of "
            "bytes that its JSON object has."
        )
    return int(said)


def _images(tensor: InputIn, behind: bytes) -> Iterator[bytes]:
    count = _count(tensor.shape)
    size = tensor.parameters.binary_data_size
    if (size is None) == (tensor.data is None):
        raise _invalid("data", "send each tensor's 'data', or its 'binary_data_size', not both")
    if (size or 0) != len(behind):
        raise Malformed(
            f"{len(behind)} bytes follow the JSON object and the tensors take {size or 0} of them; "
            f"send as many as 'binary_data_size' says, and {HEADER_LENGTH}."
        )
    if tensor.data is None:
        yield from elements(behind, count)
        return
    if len(tensor.data) != count:
        raise _invalid(
            "data", f"the shape says {count} elements, and 'data' has {len(tensor.data)}"
        )
    for index, each in enumerate(tensor.data):
        text = each if isinstance(each, str) else each[0]
        yield json_body.unbase64(text, field=f"inputs.0.data.{index}")


def _count(shape: list[int]) -> int:
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]) or not 0 < shape[0] <= MAX_IMAGES:
        raise _invalid("shape", f"'image' has the shape [n] or [n, 1], n from 1 to {MAX_IMAGES}")
    return shape[0]


def elements(data: bytes, count: int) -> Iterator[bytes]:
    """A BYTES tensor: before each element its length, four bytes, little-endian. Raises Malformed."""
    at = 0
    for _ in range(count):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "little")
        if start > len(data) or at > len(data):
            raise Malformed(f"The binary data ends before {count} elements are complete.")
        yield data[start:at]
    if at != len(data):
        raise Malformed(f"The binary data goes on after {count} elements, which the shape says.")


def _invalid(field: str, said: str) -> Invalid:
    return Invalid(f"{said[:1].upper()}{said[1:]}.", field=f"inputs.0.{field}")
