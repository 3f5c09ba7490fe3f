"""`residual up` as whoever starts it sees it."""

import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from tests.local.running import RESIDUAL, Running, environment

MAX_RESIDENT_BYTES = 150 << 20
MAX_SECONDS_TO_READY = 30


def refused(*options: str, **settings: str) -> str:
    """What `residual up` says when it does not start; it prints nothing on standard output."""
    done = subprocess.run(
        [RESIDUAL, "up", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(**settings),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.ray
def test_ready_means_that_every_part_answers(running: Running) -> None:
    answer = httpx.get(f"{running.url}/readyz")
    assert answer.status_code == 200
    assert all(part["ready"] for part in answer.json()["parts"].values())
    assert running.seconds_to_ready < MAX_SECONDS_TO_READY


@pytest.mark.ray
def test_a_second_up_on_the_same_data_directory_says_where_the_first_is(running: Running) -> None:
    said = refused(f"--data-dir={running.data_dir}", "--port=0")
    assert f"process {running.process.pid}, at {running.url}" in said


@pytest.mark.ray
def test_a_second_up_on_the_same_port_says_so(running: Running, tmp_path: Path) -> None:
    port = running.url.rpartition(":")[2]
    assert f"port {port}" in refused(f"--data-dir={tmp_path}", f"--port={port}")


@pytest.mark.ray
def test_the_process_stays_small(running: Running) -> None:
    assert psutil.Process(running.process.pid).memory_info().rss < MAX_RESIDENT_BYTES


def test_a_port_that_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "port" in refused(f"--data-dir={tmp_path}", "--port=70000")


def test_half_of_a_cluster_is_refused_in_a_sentence(tmp_path: Path) -> None:
    said = refused(f"--data-dir={tmp_path}", RESIDUAL_RAY_ADDRESS="http://127.0.0.1:1")
    assert "RESIDUAL_SERVE_ADDRESS" in said
