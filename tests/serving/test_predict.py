"""Every way of asking for a prediction gets the replica's answer or a sentence that helps."""

import base64
import json

import httpx
import pytest

from service.predict.service import dice_of
from service.predict.ways import TIMEOUT
from service.problems import kinds
from tests.serving.pictures import png
from tests.serving.replicas import PNG, World, classified, refusal
from trainer.contract.problems import MODEL_UNAVAILABLE, OF_A_REPLICA, Kind
from trainer.contract.serving import MAX_IMAGES, TIMEOUT_HEADER


def problem(answer: httpx.Response, status: int, code: str) -> str:
    """The sentence of a failure, which must be of this kind."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    detail: str = answer.json()["detail"]
    assert detail[0].isupper() or detail[0] == "'"
    assert detail.endswith((".", "?"))
    return detail


def test_an_image_as_the_body_is_classified(world: World) -> None:
    image = png()
    answer = world.ask("?model=digits&top_k=3", content=image, headers=PNG)
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "digits",
        "version": 1,
        "results": [{"predictions": [{"label": str(len(image)), "index": 0, "probability": 1.0}]}],
        "preprocessing": "abc",
        "protocol": "center",
        "ensemble": None,
    }
    (asked,) = world.asked
    assert (asked.url.path, asked.url.params["top_k"]) == ("/default/digits/1/predict", "3")
    assert asked.content == image


def test_several_files_are_answered_in_their_order(world: World) -> None:
    images = [png(1), b"0" * 5, png(2)]
    answer = world.ask(files=[("file", (f"{i}.png", image)) for i, image in enumerate(images)])
    labels = [result["predictions"][0]["label"] for result in answer.json()["results"]]
    assert labels == [str(len(image)) for image in images]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "image/gif", "", b"image/\xe9"])
def test_another_media_type_is_refused_with_those_that_are_taken(
    world: World, kind: str | bytes
) -> None:
    answer = world.ask(content=png(), headers={"Content-Type": kind})
    assert "image/jpeg, image/png or image/webp" in problem(answer, 415, "unsupported_media")
    assert world.asked == []


def test_an_empty_body_is_invalid(world: World) -> None:
    assert "empty" in problem(world.ask(content=b"", headers=PNG), 422, "invalid")
    assert "empty" in problem(world.ask(files=[("file", ("a.png", b""))]), 422, "invalid")


def test_parts_must_be_files_named_file(world: World) -> None:
    detail = problem(world.ask(files=[("image", ("a.png", png()))]), 422, "invalid")
    assert "'image'" in detail
    problem(world.ask(files=[("file", (None, "text"))]), 422, "invalid")


def test_images_in_json_are_classified_in_their_order(world: World) -> None:
    images = [png(1), png(2)]
    said = {"images": [base64.b64encode(image).decode() for image in images]}
    answer = world.ask("?model=digits&top_k=3", json=said)
    labels = [result["predictions"][0]["label"] for result in answer.json()["results"]]
    assert labels == [str(len(image)) for image in images]
    (asked,) = world.asked
    assert asked.extensions["images"] == images


@pytest.mark.parametrize(
    ("body", "status", "hint"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 422, "the body"),
        (b"{}", 422, "'images' is required"),
        (b'{"images": []}', 422, "at least 1 item"),
        (b'{"images": ["x"]}', 422, "'images.0' is not base64"),
        (b'{"images": ["aGk=", "aG\\nk="]}', 422, "'images.1' is not base64"),
        ('{"images": ["\u00e9\u00e9=="]}'.encode(), 422, "'images.0' is not base64"),
        (b'{"images": [""]}', 422, "empty"),
        (b'{"images": "aGk="}', 422, "'images'"),
        (b'{"image": ["aGk="]}', 422, "no such field"),
        (json.dumps({"images": ["aGk="] * (MAX_IMAGES + 1)}).encode(), 422, "at most 64 items"),
    ],
)
def test_json_that_holds_no_images_is_refused(
    world: World, body: bytes, status: int, hint: str
) -> None:
    answer = world.ask(content=body, headers={"Content-Type": "application/json"})
    detail = problem(answer, status, "malformed" if status == 400 else "invalid")
    assert hint.lower() in detail.lower()
    assert world.asked == []


def test_too_many_files_are_invalid(world: World) -> None:
    files = [("file", (f"{i}.png", b"x")) for i in range(MAX_IMAGES + 1)]
    assert f"1 to {MAX_IMAGES}" in problem(world.ask(files=files), 422, "invalid")
    problem(world.ask(files=files * 2), 400, "malformed")


def test_a_multipart_body_that_cannot_be_read_is_malformed(world: World) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    problem(world.ask(content=b"nonsense", headers=headers), 400, "malformed")
    headers = {"Content-Type": "multipart/form-data"}
    problem(world.ask(content=b"nonsense", headers=headers), 400, "malformed")


def test_a_body_over_the_limit_is_too_large(world: World) -> None:
    limit = world.service.parts.settings.max_image_bytes
    problem(world.ask(content=b"0" * (limit + 1), headers=PNG), 413, "too_large")


@pytest.mark.parametrize(
    "query",
    ["top_k=0", "top_k=1001", "top_k=x", "version=0", "version=1&alias=a", "model=A", "n=1",
     "version=99999999999999999999"],
)  # fmt: skip
def test_a_query_that_cannot_be_meant_is_invalid(world: World, query: str) -> None:
    problem(world.ask(f"?{query}"), 422, "invalid")


def test_a_model_may_be_left_out_only_while_one_is_deployed(world: World) -> None:
    assert world.ask().json()["model"] == "digits"
    world.register("fashion", 1)
    world.deploy("fashion", 1, serving=1)
    assert "digits, fashion" in problem(world.ask(), 422, "invalid")
    for name in ("digits", "fashion"):
        world.service.parts.deployments.take_down("default", name)
    assert "PUT /models/" in problem(world.ask(), 404, "not_found")


def test_what_is_not_deployed_is_not_found_and_the_way_is_told(world: World) -> None:
    detail = problem(world.ask("?model=fashion"), 404, "not_found")
    assert "PUT /models/fashion/deployment" in detail
    detail = problem(world.ask("?model=digits&version=2"), 404, "not_found")
    assert "PUT /models/digits/deployment" in detail


def test_a_version_or_an_alias_refuses_the_answer_of_another(world: World) -> None:
    assert world.ask("?version=1").json()["version"] == 1
    models = world.service.parts.models
    models.point("default", "digits", "best", 1)
    assert world.ask("?model=digits&alias=best").json()["version"] == 1
    models.point("default", "digits", "best", 2)
    problem(world.ask("?model=digits&alias=best"), 404, "not_found")
    problem(world.ask("?model=digits&alias=unknown"), 404, "not_found")


def test_a_version_that_starts_is_unavailable_and_the_old_one_answers(world: World) -> None:
    world.deploy("digits", 2, serving=1)
    assert world.ask().json()["version"] == 1
    problem(world.ask("?version=2"), 503, "model_unavailable")
    world.register("fashion", 1)
    world.deploy("fashion", 1, serving=None)
    problem(world.ask("?model=fashion"), 503, "model_unavailable")


@pytest.mark.parametrize("kind", OF_A_REPLICA)
def test_a_replicas_refusal_is_passed_on_as_it_is(world: World, kind: Kind) -> None:
    world.answer = refusal(kind, "file 2 of 2: send another", retry_after_s=None)
    answer = world.ask()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (kind.status, kind.code)
    assert answer.json()["detail"] == "File 2 of 2: send another."
    world.answer = refusal(MODEL_UNAVAILABLE, "too much", retry_after_s=7)
    assert world.ask().headers["Retry-After"] == "7"


def test_a_replica_uses_the_services_words_for_each_kind_of_failure() -> None:
    for kind in OF_A_REPLICA:
        error = kinds()[kind.code].error
        assert Kind(error.status, error.code, error.title) == kind


def test_a_switch_between_finding_and_asking_is_not_seen(world: World) -> None:
    def switched(request: httpx.Request) -> httpx.Response:
        world.deploy("digits", 2, serving=2)
        world.answer = classified
        return httpx.Response(404, text="Path '/default/digits/1' not found.")

    world.answer = switched
    assert world.ask().json()["version"] == 2


@pytest.mark.parametrize(
    "lost",
    [
        httpx.Response(500, text="Internal Server Error"),
        httpx.Response(502),
        httpx.RemoteProtocolError("closed"),
        httpx.ReadError("reset"),
    ],
)
def test_a_replica_that_dies_in_the_middle_is_not_seen(
    world: World, lost: httpx.Response | httpx.HTTPError
) -> None:
    def dies(_: httpx.Request) -> httpx.Response:
        world.answer = classified
        if isinstance(lost, httpx.HTTPError):
            raise lost
        return lost

    world.answer = dies
    assert world.ask().status_code == 200
    assert len(world.asked) == 2


@pytest.mark.parametrize("slow", [httpx.ReadTimeout("slow"), httpx.Response(503, text="busy")])
def test_a_replica_with_too_much_to_do_is_not_asked_again(
    world: World, slow: httpx.Response | httpx.HTTPError
) -> None:
    def busy(_: httpx.Request) -> httpx.Response:
        if isinstance(slow, httpx.HTTPError):
            raise slow
        return slow

    world.answer = busy
    assert world.ask().status_code == 503
    assert len(world.asked) == 1


@pytest.mark.parametrize("status", [404, 500, 502, 503, 504])
def test_a_proxy_that_cannot_reach_a_replica_is_unavailable(world: World, status: int) -> None:
    world.answer = lambda _: httpx.Response(status, text="Internal Server Error")
    problem(world.ask(), 503, "model_unavailable")


def test_a_serve_that_is_away_is_unavailable(world: World) -> None:
    for failure, code in (
        (httpx.ConnectError("refused"), "model_unavailable"),
        (httpx.ReadTimeout("slow"), "unavailable"),
        (httpx.RemoteProtocolError("closed"), "model_unavailable"),
    ):

        def fail(_: httpx.Request, failure: Exception = failure) -> httpx.Response:
            raise failure

        world.answer = fail
        problem(world.ask(), 503, code)


def test_a_replica_is_told_how_long_anybody_waits_for_it(world: World) -> None:
    assert world.ask().is_success
    assert float(world.asked[0].headers[TIMEOUT_HEADER]) == TIMEOUT.read


def test_a_canary_gets_its_share_and_each_answer_says_who_gave_it(world: World) -> None:
    world.try_out("digits", 1, canary=2, percent=30)
    for dice, version in ((0.0, 2), (0.29, 2), (0.3, 1), (0.99, 1)):
        world.dice = dice
        assert world.ask().json()["version"] == version
    for version in (1, 2):
        assert world.ask(f"?version={version}").json()["version"] == version


def test_the_same_key_is_answered_by_the_same_version(world: World) -> None:
    world.try_out("digits", 1, canary=2, percent=50)
    given = {}
    for key in map(str, range(40)):
        headers = PNG | {"Idempotency-Key": key}
        given[key] = world.ask(content=png(), headers=headers).json()["version"]
        assert world.ask(content=png(), headers=headers).json()["version"] == given[key]
    assert set(given.values()) == {1, 2}
    assert all(0 <= dice_of(key) < 1 for key in given)


@pytest.mark.parametrize("status", [404, 500, 502, 503])
def test_what_a_canary_cannot_answer_the_version_that_serves_does(
    world: World, status: int
) -> None:
    def only_the_canary_fails(request: httpx.Request) -> httpx.Response:
        if "/2/" in request.url.path:
            return httpx.Response(status, text="gone")
        return classified(request)

    world.try_out("digits", 1, canary=2, percent=100)
    world.answer = only_the_canary_fails
    answer = world.ask()
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    problem(world.ask("?version=2"), 503, "model_unavailable")


def test_a_canary_that_is_not_ready_says_why_when_it_is_asked_for(world: World) -> None:
    world.try_out("digits", 1, canary=2, percent=100, ready=False)
    assert world.ask().json()["version"] == 1
    detail = problem(world.ask("?version=2"), 503, "model_unavailable")
    assert "Version 2 did not start" in detail
