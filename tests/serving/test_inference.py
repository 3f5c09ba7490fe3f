"""The Open Inference Protocol: a stranger's client is served, and a bad request is told why."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.api.conftest import KEY, listening
from tests.serving.pictures import png
from tests.serving.replicas import World, refusal
from tests.serving.versions import CLASSES
from trainer.contract.problems import UNSUPPORTED_MEDIA
from trainer.contract.serving import (
    MAX_IMAGES,
    Classified,
    ImageResult,
    Prediction,
    unpack,
)

ODDS = [0.05, 0.1, 0.02, 0.4, 0.08, 0.15, 0.03, 0.07, 0.04, 0.06]
BEST = [3, 5, 1, 4, 7, 9, 0, 8, 6, 2]
INFER = "/v2/models/digits/infer"


def key() -> dict[str, str]:
    """A new one each time: Triton's client writes into what it is given."""
    return {"Authorization": f"Bearer {KEY}"}


def as_a_replica(request: httpx.Request) -> httpx.Response:
    """What a real one says: of all classes the `top_k` best, float32."""
    top_k = int(request.url.params["top_k"])
    predictions = tuple(
        Prediction(label=CLASSES[i], index=i, probability=float(np.float32(ODDS[i])))
        for i in BEST[:top_k]
    )
    _, _, name, version, _ = request.url.path.split("/")
    said = Classified(
        model=name,
        version=int(version),
        results=(ImageResult(predictions=predictions),) * len(unpack(request.content)),
        preprocessing="abc",
    )
    return httpx.Response(200, json=said.model_dump(mode="json"))


@pytest.fixture
def ready(world: World) -> World:
    world.answer = as_a_replica
    return world


@pytest.fixture
def client(ready: World) -> Iterator[triton.InferenceServerClient]:
    """Triton's own client, as it comes from the package index."""
    with (
        listening(ready.service.app) as url,
        triton.InferenceServerClient(url.removeprefix("http://")) as made,
    ):
        yield made


def tensor(images: list[bytes], *, shape: list[int] | None = None) -> triton.InferInput:
    made = triton.InferInput("image", shape or [len(images)], "BYTES")
    array = np.empty(len(images), dtype=object)
    array[:] = images
    made.set_data_from_numpy(array.reshape(shape or [len(images)]), binary_data=True)
    return made


def test_tritons_client_finds_the_server_and_its_models(
    client: triton.InferenceServerClient,
) -> None:
    assert client.is_server_live(headers=key())
    assert client.is_server_ready(headers=key())
    assert client.is_model_ready("digits", headers=key())
    assert client.is_model_ready("digits", "1", headers=key())
    assert not client.is_model_ready("digits", "2", headers=key())
    assert not client.is_model_ready("unknown", headers=key())
    server = client.get_server_metadata(headers=key())
    assert server["extensions"] == ["binary_tensor_data", "classification"]
    shown = client.get_model_metadata("digits", headers=key())
    assert shown["versions"] == ["1"]
    assert shown["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert shown["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_tritons_client_gets_the_probabilities(
    ready: World, client: triton.InferenceServerClient, shape: list[int]
) -> None:
    images = [png(1), png(2)]
    sent = [tensor(images, shape=shape)]
    said = client.infer("digits", sent, headers=key(), request_id="mine")
    assert unpack(ready.asked[-1].content) == images
    given = said.as_numpy("probabilities")
    assert (given.dtype, given.shape) == (np.float32, (2, 10))
    assert np.array_equal(given, np.array([ODDS, ODDS], dtype=np.float32))
    whole = said.get_response()
    assert (whole["id"], whole["model_name"], whole["model_version"]) == ("mine", "digits", "1")
    assert whole["parameters"] == {"preprocessing": "abc", "protocol": "center"}


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_gets_the_best_classes(
    client: triton.InferenceServerClient, binary: bool
) -> None:
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=3)]
    said = client.infer(
        "digits", [tensor([png()])], model_version="1", outputs=wanted, headers=key()
    )
    given = said.as_numpy("probabilities")
    texts = [each.decode() if binary else each for each in given.ravel()]
    assert given.shape == (1, 3)
    for text, index in zip(texts, BEST, strict=False):
        probability, at, label = text.split(":")
        assert (int(at), label) == (index, CLASSES[index])
        assert np.float32(probability) == np.float32(ODDS[index])


def test_tritons_client_is_told_what_is_wrong(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as failure:
        client.infer("unknown", [tensor([png()])], headers=key())
    assert (failure.value.status(), "not deployed" in failure.value.message()) == ("404", True)
    with pytest.raises(InferenceServerException) as failure:
        client.infer("digits", [tensor([png()])])
    assert (failure.value.status(), "Bearer" in failure.value.message()) == ("401", True)
    with pytest.raises(InferenceServerException) as failure:
        client.infer(
            "digits", [tensor([png()])], headers=key(), request_compression_algorithm="gzip"
        )
    assert (failure.value.status(), "uncompressed" in failure.value.message()) == ("415", True)


def request(**changes: Any) -> dict[str, Any]:
    """One image in JSON."""
    text = base64.b64encode(png()).decode()
    image = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}
    return {"inputs": [image | changes.pop("image", {})], **changes}


def error(answer: httpx.Response, status: int) -> str:
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    said: str = answer.json()["error"]
    return said


def test_json_alone_will_do(ready: World) -> None:
    said = ready.service.client.post(INFER, json=request(id="a")).json()
    (output,) = said.pop("outputs")
    assert said == {
        "model_name": "digits",
        "model_version": "1",
        "id": "a",
        "parameters": {"preprocessing": "abc", "protocol": "center"},
    }
    assert output.pop("data") == [float(np.float32(odds)) for odds in ODDS]
    assert output == {"name": "probabilities", "datatype": "FP32", "shape": [1, 10]}
    nested = request(image={"shape": [1, 1], "data": [request()["inputs"][0]["data"]]})
    assert ready.service.client.post(INFER, json=nested).status_code == 200


def test_parameters_that_mean_nothing_here_do_nothing(ready: World) -> None:
    odd = {"priority": 1, "timeout": 5, "note": "x"}
    sent = request(parameters=odd, image={"parameters": {"content_type": "base64"}})
    assert ready.service.client.post(INFER, json=sent).status_code == 200


def test_the_protocol_is_a_parameter(ready: World) -> None:
    sent = request(parameters={"protocol": "10-crop"})
    assert ready.service.client.post(INFER, json=sent).status_code == 200
    assert ready.asked[-1].url.params["protocol"] == "10-crop"
    assert "protocol" in error(
        ready.service.client.post(INFER, json=request(parameters={"protocol": "x"})), 422
    )


BAD: list[tuple[dict[str, Any], str]] = [
    (request(image={"name": "picture"}), "'inputs.0.name'"),
    (request(image={"datatype": "FP32"}), "'inputs.0.datatype'"),
    (request(image={"shape": []}), "[n] or [n, 1]"),
    (request(image={"shape": [0]}), "[n] or [n, 1]"),
    (request(image={"shape": [1, 2]}), "[n] or [n, 1]"),
    (request(image={"shape": [MAX_IMAGES + 1]}), "[n] or [n, 1]"),
    (request(image={"shape": [-1]}), "[n] or [n, 1]"),
    (request(image={"shape": [2]}), "'data' has 1"),
    (request(image={"data": None}), "'binary_data_size'"),
    (request(image={"data": ["no base64"]}), "'inputs.0.data.0' is not base64"),
    (request(image={"data": [[["x"]]]}), "'inputs.0.data"),
    (request(image={"parameters": {"binary_data_size": 4}}), "not both"),
    (request(image={"parameters": {"shared_memory_region": "x"}}), "shared memory"),
    (request(inputs=[]), "at least 1 item"),
    (request(inputs=request()["inputs"] * 2), "at most 1 item"),
    (request(outputs=[{"name": "logits"}]), "'outputs.0.name'"),
    (request(outputs=[{"parameters": {"classification": 0}}]), "greater than or equal to 1"),
    (request(outputs=[{"parameters": {"classification": 10**30}}]), "less than or equal to 1000"),
    (request(outputs=[{"parameters": {"shared_memory_region": "x"}}]), "shared memory"),
    (request(input=[]), "no such field"),
]


def test_a_value_that_cannot_be_meant_is_named(ready: World) -> None:
    for sent, hint in BAD:
        said = error(ready.service.client.post(INFER, json=sent), 422)
        assert hint.lower() in said.lower(), (sent, said)
    assert ready.asked == []


def binary(size: int, behind: bytes, *, count: int = 1, header: str | None = None) -> httpx.Request:
    sent = request(image={"shape": [count], "parameters": {"binary_data_size": size}})
    del sent["inputs"][0]["data"]
    head = json.dumps(sent).encode()
    length = str(len(head)) if header is None else header
    headers = {"Inference-Header-Content-Length": length}
    return httpx.Request(
        "POST", f"http://testserver{INFER}", content=head + behind, headers=headers
    )


def element(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def test_binary_data_that_does_not_add_up_is_refused(ready: World) -> None:
    whole = element(b"image")
    bad = [
        binary(len(whole), b""),
        binary(len(whole), whole + b"x"),
        binary(len(whole) - 1, whole[:-1]),
        binary(2, whole[:2]),
        binary(4, b"\xff\xff\xff\xff"),
        binary(len(whole), whole, count=2),
        binary(len(whole) * 2, whole * 2),
        binary(len(whole), whole, header="999999999"),
        binary(len(whole), whole, header="-1"),
        binary(len(whole), whole, header="x"),
        binary(len(whole), whole, header="0"),
        binary(len(whole), whole, header="5"),
    ]
    for sent in bad:
        answer = ready.service.client.send(_with_key(sent))
        assert error(answer, 400), sent.headers
    assert ready.asked == []
    assert ready.service.client.send(_with_key(binary(len(whole), whole))).status_code == 200


def _with_key(request: httpx.Request) -> httpx.Request:
    request.headers.update(key())
    return request


def test_every_failure_here_has_the_protocols_shape(ready: World) -> None:
    client = ready.service.client
    assert "JSON" in error(client.post(INFER, content=b"{"), 400)
    assert "no /v2/nothing" in error(client.get("/v2/nothing"), 404)
    assert "takes GET" in error(client.delete("/v2"), 405)
    assert "query parameter" in error(client.get("/v2?x=1"), 422)
    assert "Bearer" in error(client.get("/v2", headers={"Authorization": ""}), 401)
    for name in ("A", "%20", "x" * 100):
        error(client.get(f"/v2/models/{name}"), 404)
    for number in ("0", "2", "x", "9" * 30):
        error(client.get(f"/v2/models/digits/versions/{number}/ready"), 404)
    limit = ready.service.parts.settings.max_image_bytes
    assert "bytes" in error(client.post(INFER, content=b"0" * (limit + 1)), 413)
    ready.answer = refusal(UNSUPPORTED_MEDIA, "this is no image; send one")
    assert error(client.post(INFER, json=request()), 415) == "This is no image; send one."


def test_what_is_starting_is_not_ready(ready: World) -> None:
    client = ready.service.client
    assert client.get("/v2/health/ready").json() == {"ready": True}
    ready.register("fashion", 1)
    ready.deploy("fashion", 1, serving=None)
    answer = client.get("/v2/health/ready")
    assert "fashion" in error(answer, 503)
    assert answer.headers["Retry-After"]
    for path in ("/v2/models/fashion/ready", "/v2/models/fashion"):
        assert "starting" in error(client.get(path), 503)
    assert client.get("/v2/models/digits/ready").json() == {"name": "digits", "ready": True}
    assert client.get("/v2/health/live").json() == {"live": True}
