"""The command line's client against a running service."""

import json
import subprocess
from pathlib import Path
from threading import Event

import httpx
import pytest

from service.cli import start_from
from service.cli.client import Client
from service.cli.demo_pictures import learning_curve
from service.cli.demo_pictures import test_images as bundled_images
from service.cli.evaluate import members
from service.cli.failure import CommandFailed
from service.cli.watch import all_points, telling
from service.cli.workers import meant
from tests.e2e.conftest import Trained
from tests.local.running import RESIDUAL, Running, environment
from trainer.contract.attempts import MetricPoint


@pytest.mark.ray
def test_jobs_lists_what_there_is(running: Running, trained: Trained) -> None:
    said = running.command("jobs", "--state=succeeded").stdout
    assert trained.id in said
    assert "resnet8" in said


@pytest.mark.ray
def test_watch_shows_an_epoch_a_line_where_there_is_no_terminal(
    running: Running, trained: Trained
) -> None:
    done = running.command("watch", trained.id)
    assert done.returncode == 0
    assert "epoch 2/2" in done.stderr
    assert "succeeded" in done.stderr


@pytest.mark.ray
def test_logs_prints_what_the_workers_wrote(running: Running, trained: Trained) -> None:
    assert "[driver]" in running.command("logs", trained.id).stdout


@pytest.mark.ray
def test_predict_names_what_it_sees(running: Running, served: str, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(bundled_images(1)[0].png)
    said = running.command("predict", str(image), f"--model={served}").stdout
    assert said.startswith(f"{image}: ")
    assert said.count("%") == 3


@pytest.mark.ray
def test_key_prints_the_key(running: Running) -> None:
    assert running.command("key").stdout.strip() == running.key


@pytest.mark.ray
def test_a_job_in_line_is_changed_paused_and_cancelled(running: Running) -> None:
    job = running.submit(arch="resnet8", dataset="digits", workers=2, cpus_per_worker=1000)
    changed = running.command("change", job, "--name=n", "--priority=-1", "--label=team=vision")
    assert changed.stdout.split() == [job, "queued"]
    seen = running.job(job)
    assert (seen["name"], seen["priority"], seen["labels"]) == ("n", -1, {"team": "vision"})
    running.command("change", job, "--name=", "--label=")
    assert (running.job(job)["name"], running.job(job)["labels"]) == (None, {})
    assert running.command("pause", job).stdout.split() == [job, "paused"]
    assert f"{job} " in running.command("jobs", "--state=paused").stdout
    assert running.command("cancel", job).stdout.split() == [job, "cancelled"]
    refused = running.command("pause", job)
    assert (refused.returncode, "has been cancelled" in refused.stderr) == (1, True)
    assert running.command("delete", job).stdout.split() == [job, "deleted"]


@pytest.mark.ray
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["watch", "job-unknown"], "no such job"),
        (["train", "resnet21", "--dataset=digits"], "6n+2"),
        (["predict", "/no/such/file"], "/no/such/file"),
        (["pause", "job-unknown"], "no such job"),
        (["resume", "job-unknown", "--epochs=0"], "greater than or equal to 1"),
        (["delete", "job-unknown"], "no such job"),
        (["change", "job-unknown"], "--priority, --name or --label"),
        (["change", "job-unknown", "--label=vision"], "key=value"),
        (["evaluate", "nobody"], "no model 'nobody'"),
        (["evaluate", "a", "--ensemble=b:newest"], "NAME:VERSION"),
        (["evaluate", "a", "--output=layers.png"], "--analyse"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_no_trace(
    running: Running, words: list[str], sentence: str
) -> None:
    done = running.command(*words)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_service_the_command_line_says_how_to_start_one(tmp_path: Path) -> None:
    env = environment(RESIDUAL_DATA_DIR=str(tmp_path), RESIDUAL_URL="http://127.0.0.1:1")
    for more in ({}, {"RESIDUAL_API_KEY": "key"}):
        done = subprocess.run(
            [RESIDUAL, "jobs"],
            env=env | more,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        assert "residual up" in done.stderr


@pytest.mark.parametrize(
    ("model", "version", "others", "body"),
    [
        ("a", None, [], {"model": "a", "version": None}),
        ("a", 2, [], {"model": "a", "version": 2}),
        ("a", 2, ["b"], {"ensemble": [{"model": "a", "version": 2}, {"model": "b"}]}),
        ("a", None, ["a:1"], {"ensemble": [{"model": "a"}, {"model": "a", "version": 1}]}),
    ],
)
def test_models_to_evaluate_are_named_by_name_and_version(
    model: str, version: int | None, others: list[str], body: dict[str, object]
) -> None:
    assert members(model, version, others) == body


@pytest.mark.parametrize(("word", "body"), [(None, None), ("2", 2), ("1-4", {"min": 1, "max": 4})])
def test_workers_are_a_number_or_a_range(word: str | None, body: object) -> None:
    assert meant(word) == body


@pytest.mark.parametrize(
    ("word", "body"),
    [
        (None, None),
        ("fashion", {"model": "fashion"}),
        ("fashion:3", {"model": "fashion", "version": 3}),
        ("job-1k0z88p", {"job": "job-1k0z88p"}),
    ],
)
def test_what_to_start_from_is_a_model_or_a_job(word: str | None, body: object) -> None:
    assert start_from.meant(word) == body


def test_what_to_start_from_that_is_neither_is_refused() -> None:
    with pytest.raises(CommandFailed, match="as fashion or fashion:3"):
        start_from.meant("/etc/passwd")


def test_workers_that_are_neither_are_refused() -> None:
    for word in ("", "few", "-1", "1-", "1-2-3", "1..2"):
        with pytest.raises(CommandFailed, match="1-4"):
            meant(word)


def test_the_demo_classifies_pictures_of_different_classes() -> None:
    images = bundled_images(3)
    assert len({image.label for image in images}) == 3
    assert all(image.png.startswith(b"\x89PNG") for image in images)


def test_the_learning_curve_is_a_picture_on_disk(tmp_path: Path) -> None:
    point = {"epoch": 1, "loss": 1.0, "top5_error": 1, "images": 64, "time": "2026-01-01T00:00:00Z"}
    points = [
        MetricPoint.model_validate(point | {"step": step, "split": split, "top1_error": 100 / step})
        for step in range(1, 41)
        for split in ("train", "val")
    ]
    learning_curve(points, title="resnet20", path=tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_watch_goes_on_where_its_stream_broke() -> None:
    point = {"epoch": 1, "loss": 1, "top1_error": 1, "top5_error": 1, "images": 1, "split": "train"}
    point |= {"time": "2026-01-01T00:00:00Z"}
    asked_after: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        """Two points and then a break, or the last point and the end."""
        asked_after.append(request.headers.get("last-event-id"))
        steps, end = ([1, 2], "") if len(asked_after) == 1 else ([3], "event: end\ndata: {}\n\n")
        events = [f"id: {step}\ndata: {json.dumps(point | {'step': step})}\n\n" for step in steps]
        return httpx.Response(200, text="".join(events) + end)

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://service") as http:
        points = list(all_points(Client(http), "job-1"))
    assert [point.step for point in points] == [1, 2, 3]
    assert asked_after == [None, "2"]


def test_a_watch_says_in_which_state_the_job_is_and_why_whenever_that_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def job(state: str, why: str) -> httpx.Response:
        said = {"id": "job-1", "kind": "train", "state": state, "reason": {"message": why}}
        return httpx.Response(200, json=said | {"progress": None})

    states = [("queued", "It waits."), ("paused", "On request."), ("paused", "On request.")]
    left, all_seen = iter(states), Event()

    def answer(request: httpx.Request) -> httpx.Response:
        if (now := next(left, None)) is not None:
            return job(*now)
        all_seen.set()
        return job("succeeded", "It did all.")

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://service")
    with http, telling(Client(http), "job-1"):
        assert all_seen.wait(20)
    said = capsys.readouterr().err.splitlines()
    assert said == ["job-1 queued: It waits.", "job-1 paused: On request."]
