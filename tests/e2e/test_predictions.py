"""Many images classified by a registered model, by the command line and by REST, on the real thing."""

from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.conftest import MODEL, Trained
from tests.e2e.looking import training
from tests.local.running import Running
from tests.serving.pictures import png
from tests.waiting import until
from trainer.contract import layout
from trainer.contract.objects.local import LocalStore

pytestmark = pytest.mark.ray

VAL_IMAGES = 360
SYNTHETIC = 10_000
"""Training images of the data set."""


def test_the_command_line_leaves_a_row_for_every_image(
    running: Running, trained: Trained, tmp_path: Path
) -> None:
    assert trained.job["state"] == "succeeded", trained.job["reason"]
    done = running.command("batch", MODEL, "--dataset=digits", "--top-k=3", f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert f"{VAL_IMAGES} images by {MODEL}:1 · 0 errors · 1 file in {tmp_path}" in done.stdout
    table = pq.read_table(tmp_path)
    assert table["row"].to_pylist() == list(range(VAL_IMAGES))
    assert {len(indices) for indices in table["indices"].to_pylist()} == {3}
    job = running.job(done.stdout.split()[0])
    progress = job["progress"]
    assert (progress["step"], progress["steps"]) == (VAL_IMAGES, VAL_IMAGES)
    assert job["result"]["predictions"]["images"] == VAL_IMAGES
    assert f"{MODEL}:1" in running.command("jobs").stdout
    until(lambda: not training(running), within_s=10)


def test_a_folder_of_the_store_is_classified_and_a_bad_file_is_a_row(
    running: Running, trained: Trained
) -> None:
    assert trained.job["state"] == "succeeded", trained.job["reason"]
    objects = LocalStore(running.data_dir / "objects")
    for name, data in (("a.png", png(1)), ("b.txt", b"no image"), ("c/d.png", png(2))):
        objects.put(layout.inputs("default", f"holiday/{name}"), data)
    job = running.submit(kind="predict", model=MODEL, source="holiday", workers=1)
    assert running.until_ended(job)["state"] == "succeeded"
    with running.http() as http:
        found = http.get(f"/jobs/{job}/predictions").raise_for_status().json()
        (file,) = found["files"]
        content = http.get(file["url"]).raise_for_status().content
    assert (found["complete"], found["images"], found["errors"]) == (True, 3, 1)
    rows = pq.read_table(BytesIO(content)).to_pylist()
    assert [row["file"] for row in rows] == ["a.png", "b.txt", "c/d.png"]
    assert [row["error"] is None for row in rows] == [True, False, True]


def test_a_prediction_is_paused_within_seconds_and_goes_on_with_what_is_left(
    running: Running, trained: Trained
) -> None:
    assert trained.job["state"] == "succeeded", trained.job["reason"]
    body = {"model": MODEL, "dataset": "synthetic", "split": "train", "rows_per_file": 50}
    job = running.submit(kind="predict", **body)
    with running.http() as http:

        def files() -> list[dict[str, str]]:
            found: list[dict[str, str]] = http.get(f"/jobs/{job}/predictions").json()["files"]
            return found

        before = until(files, within_s=120)
        assert http.post(f"/jobs/{job}/pause").status_code == 202
        until(lambda: running.job(job)["state"] == "paused", within_s=10)
        until(lambda: not training(running), within_s=10)
        kept = files()
        assert len(before) <= len(kept) < SYNTHETIC // 50
        assert http.post(f"/jobs/{job}/resume").is_success
        assert running.until_ended(job)["state"] == "succeeded"
        found = http.get(f"/jobs/{job}/predictions").json()
    assert (found["complete"], found["images"], found["errors"]) == (True, SYNTHETIC, 0)
    assert [file for file in found["files"] if file in kept] == kept
