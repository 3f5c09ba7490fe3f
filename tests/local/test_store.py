"""`residual store verify`, and a service that is to keep its jobs in a store that cannot be trusted."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.contract.meddler import Meddler, meddling
from tests.contract.seaweed import BUCKET, seaweed
from tests.contract.seaweed import environment as of_store
from tests.local.running import RESIDUAL, environment
from tests.waiting import until
from trainer.contract.objects.open import open_store

FEW = ("--objects=10", "--megabytes=5", "--registers=4")
URL = f"s3://{BUCKET}/below"


@pytest.fixture(scope="module")
def meddler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meddler]:
    with (
        seaweed(tmp_path_factory.mktemp("seaweed")) as endpoint,
        meddling(endpoint) as found,
    ):
        yield found


def residual(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [RESIDUAL, *words],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def objects_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_store_that_does_all_it_must_can_be_trusted(meddler: Meddler) -> None:
    meddler.forgets = False
    done = residual("store", "verify", URL, *FEW, **of_store(meddler.endpoint))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" holds ") == 7
    assert "The store can be trusted." in done.stdout
    assert "for reading only, and expires" in done.stdout


def test_a_store_that_overwrites_is_found_out_and_left_clean(meddler: Meddler) -> None:
    meddler.forgets = True
    done = residual("store", "verify", URL, *FEW, **of_store(meddler.endpoint))
    assert done.returncode == 1
    assert "created once   BROKEN" in done.stdout
    assert "cannot be trusted (created once)" in done.stderr
    with patch.dict(os.environ, of_store(meddler.endpoint)):
        assert list(open_store(URL).list("")) == []


def test_no_service_starts_on_a_store_that_overwrites(meddler: Meddler, tmp_path: Path) -> None:
    meddler.forgets = True
    env = of_store(meddler.endpoint) | {"RESIDUAL_STORAGE_URL": URL}
    done = residual("up", "--port=0", f"--data-dir={tmp_path / 'data'}", **env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "replaced an object that was to be created once" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written_is_a_sentence() -> None:
    done = residual("store", "verify", "file:///proc/nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("residual: cannot write below /proc/nowhere: ")
    assert "Traceback" not in done.stderr


def test_an_interrupted_verification_leaves_nothing(tmp_path: Path) -> None:
    store = tmp_path / "objects"
    (store / "jobs").mkdir(parents=True)
    (store / "jobs" / "order.json").write_text("another's")
    command = [RESIDUAL, "store", "verify", store.as_uri(), "--objects=90000"]
    running = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: len(objects_in(store)) > 300, within_s=60)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[1]
    finally:
        running.kill()
    assert running.returncode != 0
    assert "Traceback" not in said
    assert [path.name for path in objects_in(store)] == ["order.json"]
