"""A service that trained and serves, backed up while it runs, and brought back beside it."""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.local import ray_record
from service.local.instance import Places
from tests.e2e.conftest import Trained
from tests.local.running import Running, end, start
from tests.waiting import until

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def again(
    running: Running, served: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("again")
    made = running.command("backup", str(folder / "kept"))
    assert made.returncode == 0, made.stderr
    brought = running.command("restore", str(folder / "kept"), f"--data-dir={folder / 'data'}")
    assert brought.returncode == 0, brought.stderr
    # Left to itself it may find another engine faster, and engines' probabilities differ.
    service = start(folder / "data", RESIDUAL_SERVE_ENGINE=engine_of(running, served))
    try:
        yield service
    finally:
        end(service)


def engine_of(service: Running, model: str) -> str:
    """What its replica computes with, as that says itself."""
    with service.http() as http:
        path = http.get(f"/models/{model}/deployment").raise_for_status().json()["serve_path"]
    record = ray_record.load(Places(service.data_dir))
    assert record
    said = httpx.get(f"{record.serve_address}{path}", trust_env=False).raise_for_status().json()
    return str(said["engine"])


def answers(service: Running, *paths: str) -> dict[str, Any]:
    with service.http() as http:
        return {path: http.get(path).raise_for_status().json() for path in paths}


def predicted(service: Running, model: str) -> dict[str, float]:
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file, "PNG")
    with service.http() as http:
        until(
            lambda: http.get(f"/models/{model}/deployment").json()["state"] == "ready", within_s=90
        )
        answer = http.post(
            f"/predict?model={model}&top_k=10",
            content=file.getvalue(),
            headers={"Content-Type": "image/png"},
        )
    (result,) = answer.raise_for_status().json()["results"]
    return {each["label"]: each["probability"] for each in result["predictions"]}


def test_it_has_the_same_job_and_model_and_predicts_the_same(
    running: Running, again: Running, trained: Trained, served: str
) -> None:
    job = f"/jobs/{trained.id}"
    paths = (job, f"{job}/metrics", f"{job}/events", f"{job}/checkpoints", f"/models/{served}")
    assert answers(again, *paths) == answers(running, *paths)
    assert predicted(again, served) == pytest.approx(predicted(running, served), abs=1e-5)
    assert again.key != running.key  # each has its own; a backup holds none
