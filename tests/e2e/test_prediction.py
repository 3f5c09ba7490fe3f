"""Images through `POST /predict`, answered by a replica of Ray Serve."""

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from sklearn.datasets import load_digits

from tests.local.running import Running
from tests.waiting import until

pytestmark = pytest.mark.ray


@pytest.fixture
def http(running: Running, served: str) -> Iterator[httpx.Client]:
    with running.http() as client:
        yield client


def digit() -> Image.Image:
    """A grey image of 8×8 pixels."""
    pixels = np.round(load_digits().images[0] * (255 / 16)).astype(np.uint8)
    return Image.fromarray(pixels)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def ask(http: httpx.Client, data: bytes, kind: str = "image/png", **query: int) -> httpx.Response:
    return http.post("/predict", content=data, headers={"Content-Type": kind}, params=query)


def probabilities(answer: httpx.Response) -> list[float]:
    (result,) = answer.raise_for_status().json()["results"]
    return [each["probability"] for each in sorted(result["predictions"], key=lambda p: p["index"])]


def test_the_answer_names_the_classes_with_their_probabilities(
    http: httpx.Client, served: str
) -> None:
    answer = ask(http, png(digit()), top_k=10).json()
    assert answer["model"] == served
    predictions = answer["results"][0]["predictions"]
    assert {each["label"] for each in predictions} == set("0123456789")
    assert sum(each["probability"] for each in predictions) == pytest.approx(1)
    falling = sorted((each["probability"] for each in predictions), reverse=True)
    assert [each["probability"] for each in predictions] == falling


def test_a_picture_is_seen_alike_in_every_format(http: httpx.Client) -> None:
    grey = digit()
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    turned = grey.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it clockwise
    file = io.BytesIO()
    turned.save(file, "PNG", exif=exif)
    expected = probabilities(ask(http, png(grey), top_k=10))
    alike = {
        "RGB": png(grey.convert("RGB")),
        "RGBA": png(grey.convert("RGBA")),
        "palette": png(grey.convert("P")),
        "16 bits": png(deep),
        "turned": file.getvalue(),
    }
    for name, data in alike.items():
        seen = probabilities(ask(http, data, top_k=10))
        assert seen == pytest.approx(expected, abs=1e-4), name


def test_several_files_are_answered_in_their_order(http: httpx.Client) -> None:
    empty = png(Image.new("L", (8, 8)))
    files = [("file", ("a.png", png(digit()))), ("file", ("b.png", empty))]
    results = http.post("/predict", files=files, params={"top_k": 10}).json()["results"]
    for result, alone in zip(results, (png(digit()), empty), strict=True):
        (expected,) = ask(http, alone, top_k=10).json()["results"]
        assert [p["label"] for p in result["predictions"]] == [
            p["label"] for p in expected["predictions"]
        ]


def test_tritons_own_client_gets_the_same_answer(
    running: Running, http: httpx.Client, served: str
) -> None:
    images = [png(digit()), png(Image.new("L", (8, 8)))]
    expected = [probabilities(ask(http, image, top_k=10)) for image in images]
    tensor = triton.InferInput("image", [2], "BYTES")
    tensor.set_data_from_numpy(np.array(images, dtype=object))
    best = triton.InferRequestedOutput("probabilities", class_count=2)
    with triton.InferenceServerClient(running.url.removeprefix("http://")) as client:

        def infer(outputs: list[triton.InferRequestedOutput] | None) -> np.ndarray:
            key = {"Authorization": f"Bearer {running.key}"}
            given = client.infer(served, [tensor], outputs=outputs, headers=key)
            return np.asarray(given.as_numpy("probabilities"))

        assert infer(None) == pytest.approx(np.array(expected), abs=1e-4)
        for row, odds in zip(infer([best]), expected, strict=True):
            named = [int(text.decode().split(":")[1]) for text in row]
            assert [odds[index] for index in named] == pytest.approx(sorted(odds)[:-3:-1], abs=1e-4)


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"not an image", "image/png", 415),
        (png(digit())[:60], "image/png", 415),
        (b"", "image/png", 422),
        (b"{}", "application/json", 422),
        (b"{}", "text/plain", 415),
        (png(Image.new("1", (6000, 6000))), "image/png", 413),
        (b"0" * (21 << 20), "image/png", 413),
    ],
    ids=["text", "truncated", "empty", "json", "text/plain", "36 megapixels", "21 megabytes"],
)
def test_what_is_no_usable_image_is_refused_in_a_sentence(
    http: httpx.Client, data: bytes, kind: str, status: int
) -> None:
    answer = ask(http, data, kind)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_a_deployment_that_is_taken_down_answers_no_more(
    running: Running, http: httpx.Client, served: str
) -> None:
    path = f"/models/{served}/deployment"
    assert http.delete(path).status_code == 202
    until(lambda: ask(http, png(digit())).status_code == 404, within_s=30)
    assert http.put(path, json={}).status_code == 202
    until(lambda: http.get(path).json()["state"] == "ready", within_s=90)
    assert ask(http, png(digit())).status_code == 200
