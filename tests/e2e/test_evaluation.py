"""A registered model is evaluated by the command line, on the real thing, and its layers looked into."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MODEL, Trained
from tests.local.running import Running

pytestmark = pytest.mark.ray

VAL_IMAGES = 360


@dataclass(frozen=True)
class Evaluated:
    """A job that ended, what the command line said of it, and the picture that it saved."""

    job: dict[str, Any]
    said: str
    picture: bytes


@pytest.fixture(scope="module")
def evaluated(
    running: Running, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Evaluated:
    assert trained.job["state"] == "succeeded", trained.job["reason"]
    output: Path = tmp_path_factory.mktemp("analysis") / "layers.png"
    done = running.command(
        *("evaluate", MODEL, "--protocol=10-crop", "--analyse", f"--output={output}")
    )
    assert done.returncode == 0, done.stderr
    job = running.job(done.stdout.split()[0])
    return Evaluated(job, done.stdout, output.read_bytes())


def test_an_evaluation_counts_every_image_once_in_ten_views(evaluated: Evaluated) -> None:
    found = evaluated.job["result"]["evaluation"]
    assert (found["images"], found["views"]) == (VAL_IMAGES, 10)
    assert (found["protocol"], found["dataset"]) == ("10-crop", "digits")
    assert found["models"] == [f"{MODEL}:1"]
    assert 0 <= found["top5_error"] <= found["top1_error"] <= 100
    assert math.isfinite(found["loss"])


def test_an_ensemble_of_one_network_errs_as_its_training_measured(
    running: Running, trained: Trained
) -> None:
    job = running.submit(
        kind="evaluate",
        ensemble=[{"model": MODEL}, {"model": MODEL, "version": 1}],
        precision="auto",
    )
    found = running.until_ended(job)["result"]["evaluation"]
    measured = trained.job["result"]["best"]["metrics"]
    assert (found["images"], found["models"]) == (VAL_IMAGES, [f"{MODEL}:1"] * 2)
    one_image = 100 / VAL_IMAGES  # batches of other sizes may round one case of doubt otherwise
    assert found["top1_error"] == pytest.approx(measured["top1_error"], abs=one_image + 1e-9)
    assert found["loss"] == pytest.approx(measured["loss"], rel=0.01)


def test_the_command_line_says_what_it_came_to(evaluated: Evaluated) -> None:
    found = evaluated.job["result"]["evaluation"]
    assert f"top-1 error {found['top1_error']:.2f} %" in evaluated.said
    assert f"{VAL_IMAGES} images of digits · 10-crop, 10 views each" in evaluated.said


def test_every_weighted_layer_is_analysed_in_order(running: Running, evaluated: Evaluated) -> None:
    with running.http() as http:
        analysis = http.get(evaluated.job["links"]["analysis"]).raise_for_status().json()
    layers = analysis["layers"]
    assert [layer["index"] for layer in layers] == list(range(1, len(layers) + 1))
    assert len(layers) == 8  # option A: no shortcut has a weight
    assert all(layer["response_std"] > 0 and layer["gradient_norm"] > 0 for layer in layers)
    assert (analysis["model"], analysis["images"]) == (f"{MODEL}:1", VAL_IMAGES)


def test_the_analysis_is_a_picture_too(running: Running, evaluated: Evaluated) -> None:
    assert evaluated.picture.startswith(b"\x89PNG")
    with running.http() as http:
        link = evaluated.job["links"]["analysis"]
        answer = http.get(link, headers={"Accept": "image/png"}).raise_for_status()
    assert answer.content == evaluated.picture


def test_the_command_line_lists_and_watches_evaluations(
    running: Running, evaluated: Evaluated
) -> None:
    assert f"{MODEL}:1" in running.command("jobs").stdout
    watched = running.command("watch", evaluated.job["id"])
    assert watched.returncode == 0
    assert "10-crop top-1 error" in watched.stderr


def test_an_evaluation_keeps_its_log_and_its_events(running: Running, evaluated: Evaluated) -> None:
    with running.http() as http:
        log = http.get(evaluated.job["links"]["logs"]).text
        events = http.get(evaluated.job["links"]["events"]).json()["items"]
    assert "[driver]" in log
    assert [event["to"] for event in events] == ["queued", "starting", "running", "succeeded"]
