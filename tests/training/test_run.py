"""The driver's own process: it outlives nobody, and starts nothing twice."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tests.training.small_runs import JOB, order
from tests.waiting import until
from trainer.contract import attempts, layout
from trainer.contract.attempts import Outcome
from trainer.contract.objects.local import LocalStore

CHILD = """
import os, time
from trainer.training.parent import die_frozen_with_parent, die_with_parent
{watch}
print(os.getpid(), flush=True)
time.sleep(60)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("frozen", [False, True])
def test_a_process_dies_with_its_parent_frozen_or_not(*, frozen: bool) -> None:
    watch = "die_frozen_with_parent()" if frozen else "die_with_parent(os.getppid(), every_s=0.05)"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD.format(watch=watch)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)
    if frozen:
        psutil.Process(child).suspend()
    parent.kill()
    parent.wait()
    until(lambda: gone(child), within_s=5)


def drive(store: LocalStore, attempt: int = 1) -> subprocess.CompletedProcess[str]:
    arguments = ["--store", store.root.as_uri(), "--job", JOB, "--attempt", str(attempt)]
    return subprocess.run(
        [sys.executable, "-m", "trainer.run", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "RAY_ADDRESS": "127.0.0.1:1"},  # it would fail if it asked for Ray
    )


def test_an_attempt_that_was_given_up_is_not_begun(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(layout.order(JOB, 1), order().model_dump_json().encode())
    closed = Outcome(job_id=JOB, attempt=1, status="given_up", at=datetime.now(UTC))
    attempts.commit_outcome(store, closed)
    ended = drive(store)
    assert ended.returncode != 0
    assert "closed before" in ended.stderr
    assert attempts.read(store, layout.outcome(JOB, 1), Outcome) == closed


def test_an_attempt_that_runs_already_is_not_begun_again(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put(layout.order(JOB, 1), order().model_dump_json().encode())
    store.put(
        layout.started(JOB, 1),
        b'{"job_id":"job-a","attempt":1,"resumed_step":0,"resumed_attempt":null,"device":"cpu",'
        b'"precision":"fp32","channels_last":true,"versions":{},"at":"2026-01-01T00:00:00Z"}',
    )
    ended = drive(store)
    assert ended.returncode != 0
    assert "started" in ended.stderr
    assert attempts.read(store, layout.outcome(JOB, 1), Outcome) is None


def test_a_missing_order_is_said(tmp_path: Path) -> None:
    ended = drive(LocalStore(tmp_path))
    assert ended.returncode != 0
    assert "no order for attempt 1" in ended.stderr
