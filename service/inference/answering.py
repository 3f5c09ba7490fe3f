"""Answers of the Open Inference Protocol: what a replica said as a tensor, in JSON or behind it. Used by
its routes."""

import struct
from collections.abc import Iterable

from fastapi import Response

from service.inference.asking import HEADER_LENGTH, Asked
from service.inference.schemas import OUTPUT, InferOut, OutputOut
from trainer.contract.serving import Classified, ImageResult


def answer(asked: Asked, said: Classified) -> Response:
    """The answer's body and headers."""
    columns = len(said.results[0].predictions)
    tensor = OutputOut(
        name=OUTPUT,
        datatype="FP32" if asked.classes is None else "BYTES",
        shape=(len(said.results), columns),
    )
    if asked.classes is None:
        tensor.data = [each for result in said.results for each in probabilities(result)]
    else:
        tensor.data = [each for result in said.results for each in classes(result)]
    behind = b""
    if asked.binary:
        behind = _binary(tensor.data)
        tensor.data, tensor.parameters = None, {"binary_data_size": len(behind)}
    whole = InferOut(
        model_name=said.model,
        model_version=str(said.version),
        id=asked.id,
        parameters=parameters(said),
        outputs=(tensor,),
    )
    header = whole.model_dump_json(exclude_none=True).encode()
    if not asked.binary:
        return Response(header, media_type="application/json")
    return Response(
        header + behind,
        media_type="application/octet-stream",
        headers={HEADER_LENGTH: str(len(header))},
    )


def parameters(said: Classified) -> dict[str, str]:
    """How the answer came about."""
    found = {"preprocessing": said.preprocessing, "protocol": said.protocol}
    if said.ensemble:
        found["ensemble"] = ",".join(f"{each.model}:{each.version}" for each in said.ensemble)
    return found


def probabilities(result: ImageResult) -> list[float]:
    """Of all classes, in their order."""
    by_index = sorted(result.predictions, key=lambda each: each.index)
    return [each.probability for each in by_index]


def classes(result: ImageResult) -> list[str]:
    """The most probable first, as the classification extension writes them."""
    # Nine digits tell every float32 from its neighbours.
    return [f"{each.probability:.9g}:{each.index}:{each.label}" for each in result.predictions]


def _binary(data: Iterable[float] | Iterable[str]) -> bytes:
    """Little-endian: FP32, or before each text its length in four bytes."""
    return b"".join(map(_element, data))


def _element(value: float | str) -> bytes:
    if isinstance(value, float):
        return struct.pack("<f", value)
    text = value.encode()
    return struct.pack("<I", len(text)) + text
