"""Models served by a real Ray Serve, through the whole application."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.local import instance
from service.local.ray_head import LocalRay
from service.main import create_app
from service.parts import assemble
from service.settings import Settings
from tests.serving.pictures import encoded, kinds, picture
from tests.serving.served import KEY, PNG, World, prefix_of
from tests.serving.versions import probabilities
from tests.waiting import until
from trainer.contract.checkpoints import WEIGHTS
from trainer.contract.doors import PORTS

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data_dir: Path = tmp_path_factory.mktemp("data")
    ray = LocalRay(instance.prepare(data_dir), say=lambda _: None, stopping=threading.Event())
    try:
        record = ray.start()
        settings = Settings.model_validate(
            {
                "data_dir": data_dir,
                "api_key": KEY,
                "ray_address": record.address,
                "ray_token": ray.token,
                "serve_address": record.serve_address,
                "serve_engine": "openvino-f32",  # whose answers can be told from eager's by 1e-5 only
            }
        )
        parts = assemble(settings)
        key = {"Authorization": f"Bearer {KEY}"}
        token = {"Authorization": f"Bearer {ray.token}"}
        with (
            TestClient(create_app(parts), headers=key) as client,
            httpx.Client(base_url=record.address, headers=token, timeout=30) as dashboard,
        ):
            yield World(client, parts, dashboard)
    finally:
        ray.end()


def test_pictures_of_every_kind_get_the_answer_of_a_direct_forward_pass(world: World) -> None:
    number, written = world.register()
    world.deploy()
    shown = world.reaches("ready")
    assert (shown["serving_version"], shown["replicas"]) == (number, 1)
    for kind, image in kinds().items():
        answer = world.predict(image, top_k=10)
        assert answer.status_code == 200, (kind, answer.text)
        given = {
            each["index"]: each["probability"]
            for each in answer.json()["results"][0]["predictions"]
        }
        expected = dict(enumerate(probabilities(written, image)))
        assert given == pytest.approx(expected, abs=1e-5), kind


def test_once_its_door_is_known_the_replica_itself_is_asked_and_when_it_dies_the_next_one(
    world: World,
) -> None:
    number = world.serving()
    asked: list[httpx.URL] = []

    async def seen(request: httpx.Request) -> None:
        asked.append(request.url)

    hooks = world.parts.predictor.replicas.proxy.event_hooks
    world.parts.predictor.replicas.proxy.event_hooks = {**hooks, "request": [seen]}
    try:
        answers = [world.predict(PNG) for _ in range(3)]
        assert [each.status_code for each in answers] == [200] * 3
        assert answers[0].json() == answers[2].json()
        assert asked[-1].port in PORTS, asked
        assert asked[-1].host == "127.0.0.1"
        world.kill_replica(number)
        assert world.predict(PNG).json() == answers[0].json()
        until(lambda: world.predict(PNG).is_success and asked[-1].port in PORTS, within_s=60)
        assert httpx.get(asked[-1]).status_code == 401
    finally:
        world.parts.predictor.replicas.proxy.event_hooks = hooks


def test_an_ensemble_is_asked_at_the_service_and_at_serves_own_address(world: World) -> None:
    known = dict(world.register() for _ in range(2))
    body = {"ensemble": [{"model": "shapes", "version": number} for number in known]}
    assert world.client.put("/models/both/deployment", json=body).status_code == 202

    def ready() -> dict[str, Any] | None:
        shown: dict[str, Any] = world.client.get("/models/both/deployment").json()
        return shown if shown["state"] == "ready" else None

    shown = until(ready, within_s=60)
    by_each = [probabilities(written, PNG) for written in known.values()]
    expected = dict(enumerate(sum(each) / len(by_each) for each in zip(*by_each, strict=True)))
    query, kind = {"model": "both", "top_k": 10}, {"Content-Type": "image/png"}
    serve = f"{world.parts.settings.serve_address}{shown['serve_path']}"
    for protocol in ("center", "10-crop"):
        asked: dict[str, Any] = {"params": query | {"protocol": protocol}, "headers": kind}
        answer = world.client.post("/predict", content=PNG, **asked)
        assert answer.status_code == 200, answer.text
        assert answer.json() == httpx.post(serve, content=PNG, timeout=60, **asked).json()
        assert (answer.json()["protocol"], answer.json()["ensemble"]) == (
            protocol,
            body["ensemble"],
        )
        if protocol == "center":
            (result,) = answer.json()["results"]
            given = {each["index"]: each["probability"] for each in result["predictions"]}
            assert given == pytest.approx(expected, abs=1e-5)
    files = [("file", ("a.png", PNG)), ("file", ("b.png", b"text"))]
    refused = httpx.post(serve, files=files, timeout=60)
    assert refused.json() == world.client.post("/predict?model=both", files=files).json()
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media")
    assert world.client.delete("/models/both/deployment").status_code == 202


def test_what_is_no_picture_is_refused_with_its_place(world: World) -> None:
    world.serving()
    frames = [picture(seed) for seed in range(2)]
    animated = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    for image in (b"text", PNG[:100], animated, encoded(frames[0], "GIF")):
        assert world.predict(image).status_code == 415
    huge = encoded(Image.new("1", (6000, 6000)))
    assert world.predict(huge).status_code == 413
    files = [("file", ("a.png", PNG)), ("file", ("b.png", b"text"))]
    answer = world.client.post("/predict", files=files)
    assert (answer.status_code, "File 2 of 2" in answer.json()["detail"]) == (415, True)


def test_a_switch_to_another_version_loses_no_request(world: World) -> None:
    old, (new, _) = world.serving(), world.register()
    over = threading.Event()

    def keep_asking() -> list[tuple[int, int]]:
        """Status and version (0: none) of each answer."""
        seen = []
        while not over.is_set():
            answer = world.predict(PNG)
            seen.append((answer.status_code, answer.json().get("version", 0)))
        return seen

    with ThreadPoolExecutor() as threads:
        clients = [threads.submit(keep_asking) for _ in range(2)]
        try:
            world.deploy(version=new)
            assert world.reaches("ready")["serving_version"] == new
            until(lambda: world.applications() == [f"default.shapes.{new}"], within_s=60)
        finally:
            over.set()
        for client in clients:
            seen = client.result()
            assert {status for status, _ in seen} == {200}
            versions = [version for _, version in seen]
            assert versions == sorted(versions)
            assert {old, new} == set(versions)


def test_a_canary_takes_its_share_dies_and_is_rolled_back_without_a_failed_request(
    world: World,
) -> None:
    known = dict(world.register() for _ in range(2))
    stable, canary = sorted(known)
    world.deploy(version=stable)
    world.reaches("ready")
    files = [("file", (name, encoded(picture(seed)))) for seed, name in ((1, "a"), (2, "b"))]
    best = {
        number: [max(probabilities(written, file)) for _, (_, file) in files]
        for number, written in known.items()
    }
    over = threading.Event()
    seen: list[int] = []

    def keep_asking() -> None:
        while not over.is_set():
            answer = world.client.post("/predict?model=shapes", files=files)
            assert answer.status_code == 200, answer.text
            said = answer.json()
            given = [each["predictions"][0]["probability"] for each in said["results"]]
            assert given == pytest.approx(best[said["version"]], abs=1e-5)
            seen.append(said["version"])

    with ThreadPoolExecutor() as threads:
        clients = [threads.submit(keep_asking) for _ in range(2)]
        try:
            world.deploy(version=stable, canary={"version": canary, "percent": 50})
            assert world.on_trial()["serving_version"] == stable
            before = len(seen)
            until(lambda: len(seen) >= before + 200 or any(c.done() for c in clients), within_s=60)
            world.kill_replica(canary)
            after = len(seen)
            until(lambda: len(seen) >= after + 20 or any(c.done() for c in clients), within_s=60)
            shown = world.client.post("/models/shapes/deployment/rollback").json()
            assert (shown["version"], shown["canary"]) == (stable, None)
            until(lambda: world.applications() == [f"default.shapes.{stable}"], within_s=60)
            after = len(seen)
            until(lambda: len(seen) >= after + 20 or any(c.done() for c in clients), within_s=60)
        finally:
            over.set()
        for client in clients:
            client.result()
    assert set(seen[:before]) <= {stable, canary}
    assert 60 < seen[before : before + 200].count(canary) < 140
    assert set(seen[-18:]) == {stable}


def test_the_first_request_after_a_rest_waits_for_a_replica_and_is_answered(world: World) -> None:
    number = world.serving()
    world.deploy(version=number, replicas={"min": 0, "max": 1, "idle_s": 1})
    assert world.reaches("idle")["replicas"] == 0
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(world.predict, [PNG] * 8))
    assert [(each.status_code, each.json()["version"]) for each in answers] == [(200, number)] * 8
    assert world.reaches("ready")["replicas"] == 1


def test_a_corrupt_version_never_serves_and_the_old_one_goes_on(world: World) -> None:
    old, (new, _) = world.serving(), world.register()
    objects = world.parts.models.objects
    data = bytearray(objects.get(f"{prefix_of(new)}/{WEIGHTS}"))
    data[-1] ^= 1
    objects.put(f"{prefix_of(new)}/{WEIGHTS}", bytes(data))
    world.deploy(version=new)
    shown = world.reaches("failed")
    assert shown["serving_version"] == old
    assert f"is not what its manifest says. Version {old} goes on serving." in shown["message"]
    assert world.predict(PNG).json()["version"] == old
    world.deploy(version=old)
    assert world.reaches("ready")["message"] is None


def test_prometheus_finds_the_seconds_of_each_stage_by_model_and_version(world: World) -> None:
    number = world.serving()
    assert world.predict(PNG).status_code == 200

    def scraped() -> str:
        groups = world.ray.get("/api/prometheus/sd").raise_for_status().json()
        targets = [target for group in groups for target in group["targets"]]
        return "".join(httpx.get(f"http://{target}/metrics").text for target in targets)

    def counted(stage: str) -> bool:
        wanted = {f'stage="{stage}"', 'model="shapes"', f'version="{number}"'}
        lines = scraped().splitlines()
        names = [line for line in lines if line.startswith("ray_residual_predict_seconds_count")]
        return any(all(label in name for label in wanted) for name in names)

    for stage in ("decode", "queue", "compute", "encode"):
        until(partial(counted, stage), within_s=60)


def test_a_serve_that_lost_everything_gets_it_back(world: World) -> None:
    world.serving()
    assert world.ray.delete("/api/serve/applications/").is_success
    answer = world.predict(PNG)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    until(lambda: world.predict(PNG).is_success, within_s=60)


def test_a_deployment_that_is_taken_down_is_gone(world: World) -> None:
    world.serving()
    assert world.client.delete("/models/shapes/deployment").status_code == 202
    assert world.predict(PNG).status_code == 404
    until(lambda: world.applications() == [], within_s=60)
