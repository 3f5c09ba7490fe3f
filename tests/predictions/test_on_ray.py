"""A prediction on a real Ray of this machine, whose processes are killed in the middle of it."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.predictions.attempts import JOB, files, order, registered, rows, run
from tests.training.test_run_on_ray import Cluster
from tests.waiting import until
from trainer.contract import attempts, layout, parts
from trainer.contract.attempts import Order, Outcome, Started
from trainer.contract.datasets import DATASETS
from trainer.contract.objects.local import LocalStore

pytestmark = pytest.mark.ray

INFO = DATASETS["fashion-mnist-mini"]
ASKED: dict[str, Any] = {"dataset": INFO.name, "split": "train", "rows_per_file": 100, "workers": 2}
PARTS = INFO.train_images // 100


def driver(cluster: Cluster, store: LocalStore, what: Order) -> "subprocess.Popen[bytes]":
    store.put(layout.order(JOB, what.attempt), what.model_dump_json().encode())
    where = ["--store", store.root.as_uri(), "--job", JOB, "--attempt", str(what.attempt)]
    return subprocess.Popen([sys.executable, "-m", "trainer.run", *where], env=cluster.environment)


def done(store: LocalStore) -> int:
    return len(parts.done_numbers(store, JOB))


def kill_a_busy_worker(cluster: Cluster) -> int:
    """The id of its process."""

    def busy() -> list[psutil.Process]:
        return [one for one in cluster.workers() if ".submit" in " ".join(one.cmdline())]

    victim = until(busy, within_s=10)[0]
    victim.kill()
    return victim.pid


def test_killed_workers_and_drivers_change_no_byte(cluster: Cluster, tmp_path: Path) -> None:
    alone, store = LocalStore(tmp_path / "alone"), LocalStore(tmp_path / "store")
    run(alone, order(registered(alone), **ASKED | {"workers": 1}))
    model = registered(store)
    first = driver(cluster, store, order(model, **ASKED))
    try:
        until(lambda: done(store) >= 2, within_s=120)
        killed = kill_a_busy_worker(cluster)
        before = done(store)
        until(lambda: done(store) >= before + 3, within_s=120)
        assert first.poll() is None  # Ray Data goes on with the other one
        assert not psutil.pid_exists(killed) or psutil.Process(killed).status() == "zombie"
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    kept = done(store)
    assert kept < PARTS
    second = driver(cluster, store, order(model, attempt=2, **ASKED))
    assert second.wait(200) == 0
    ended = attempts.read(store, layout.outcome(JOB, 2), Outcome)
    started = attempts.read(store, layout.started(JOB, 2), Started)
    assert ended is not None
    assert ended.predictions is not None
    assert started is not None
    assert (ended.status, ended.predictions.images) == ("succeeded", INFO.train_images)
    assert started.resumed_step >= kept * 100
    assert files(store) == files(alone)
    numbers = [row["row"] for row in rows(store)]
    assert all(after == before + 1 for before, after in pairwise(numbers))
    assert len(numbers) == INFO.train_images
