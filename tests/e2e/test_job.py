"""A job through REST, on the real thing: what it leaves behind."""

import csv
import hashlib
import io

import pytest

from tests.e2e.conftest import EPOCHS, MODEL, Trained
from tests.local.running import Running

pytestmark = pytest.mark.ray

VAL_IMAGES = 360


def test_a_job_succeeds_with_its_result_and_every_default(trained: Trained) -> None:
    job = trained.job
    assert job["state"] == "succeeded"
    assert job["attempt"] == 1
    assert job["progress"]["step"] == job["spec"]["iterations"]
    assert job["progress"]["epoch"] == EPOCHS
    assert 0 <= job["result"]["best"]["metrics"]["top1_error"] <= 100
    assert job["spec"]["workers"] == 2


def test_the_stream_tells_every_point_once_and_then_the_end(
    running: Running, trained: Trained
) -> None:
    with running.http() as http:
        points = http.get(f"/jobs/{trained.id}/metrics").json()["points"]
    assert trained.streamed == points
    assert trained.end == {"state": "succeeded"}


def test_every_step_and_every_epoch_is_measured_once(trained: Trained) -> None:
    steps = {
        split: [point["step"] for point in trained.streamed if point["split"] == split]
        for split in ("train", "val")
    }
    assert steps["train"] == list(range(1, trained.job["spec"]["iterations"] + 1))
    per_epoch = trained.job["spec"]["steps_per_epoch"]
    assert steps["val"] == [per_epoch * (n + 1) for n in range(EPOCHS)]


def test_two_workers_count_every_validation_image_once(trained: Trained) -> None:
    counted = {point["images"] for point in trained.streamed if point["split"] == "val"}
    assert counted == {VAL_IMAGES}


def test_the_metrics_are_a_table_too(running: Running, trained: Trained) -> None:
    with running.http() as http:
        answer = http.get(f"/jobs/{trained.id}/metrics", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["step"]) for row in rows] == [point["step"] for point in trained.streamed]


def test_a_checkpoint_can_be_fetched_whole(running: Running, trained: Trained) -> None:
    with running.http() as http:
        found = http.get(f"/jobs/{trained.id}/checkpoints").json()["items"]
        assert found
        for file in found[-1]["files"]:
            fetched = http.get(file["url"]).raise_for_status().content
            assert len(fetched) == file["size"]
            assert hashlib.sha256(fetched).hexdigest() == file["sha256"]


def test_the_log_of_driver_and_workers_is_kept(running: Running, trained: Trained) -> None:
    with running.http() as http:
        everything = http.get(f"/jobs/{trained.id}/logs").text
        driver = http.get(f"/jobs/{trained.id}/logs", params={"rank": "driver"}).text
    assert "[0]" in everything
    assert "[driver]" in driver


def test_every_change_of_state_is_an_event(running: Running, trained: Trained) -> None:
    with running.http() as http:
        events = http.get(f"/jobs/{trained.id}/events").json()["items"]
    assert [event["to"] for event in events] == ["queued", "starting", "running", "succeeded"]


def test_the_model_is_registered_and_knows_where_it_came_from(
    running: Running, trained: Trained
) -> None:
    with running.http() as http:
        model = http.get(f"/models/{MODEL}").json()
    (version,) = model["versions"]
    assert version["job"] == trained.id
    assert version["step"] == trained.job["result"]["best"]["step"]
    assert version["class_names"] == list("0123456789")
