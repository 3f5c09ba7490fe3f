"""The driver and two DDP workers on a real Ray of this machine."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.training.small_runs import (
    JOB,
    hashes,
    kept_steps,
    order,
    points,
    small_spec,
    started,
)
from tests.waiting import until
from trainer.contract import attempts, checkpoints, journal, layout, manifest
from trainer.contract.attempts import LogLine, Order, Outcome
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code

pytestmark = pytest.mark.ray

STEPS = 88
SPEC = small_spec(workers=2, iterations=STEPS, checkpoint_every={"steps": 10})

WORKERS = ("RayTrainWorker", "PredictionWorker")

CLUSTER = """
import sys, ray
head = ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1",
                _temp_dir=sys.argv[1], object_store_memory=10**8)
print(head.address_info["gcs_address"], flush=True)
sys.stdin.read()
ray.shutdown()
"""


@dataclass(frozen=True)
class Cluster:
    process: subprocess.Popen[str]
    environment: dict[str, str]

    def workers(self) -> list[psutil.Process]:
        """The processes that train now, or predict."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if any(word in " ".join(process.cmdline()) for word in WORKERS):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def driver(self, store: LocalStore, what: Order, **more: str) -> subprocess.Popen[bytes]:
        """Start the driver of an attempt; `more` is added to its environment."""
        store.put(layout.order(JOB, what.attempt), what.model_dump_json().encode())
        where = ["--store", store.root.as_uri(), "--job", JOB, "--attempt", str(what.attempt)]
        command = [sys.executable, "-m", "trainer.run", *where]
        return subprocess.Popen(command, env=self.environment | more)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a socket's path has to be short
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # Ray without bytecode starts 2.6 times slower
    head = subprocess.Popen(
        [sys.executable, "-c", CLUSTER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert head.stdout is not None
    try:
        environment["RAY_ADDRESS"] = head.stdout.readline().strip()
        yield Cluster(head, environment)
    finally:
        children = psutil.Process(head.pid).children(recursive=True)
        head.communicate(timeout=60)
        _, alive = psutil.wait_procs(children, timeout=10)
        for process in alive:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def outcome(store: LocalStore, attempt: int) -> Outcome | None:
    return attempts.read(store, layout.outcome(JOB, attempt), Outcome)


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    store = LocalStore(tmp_path_factory.mktemp("undisturbed"))
    assert cluster.driver(store, order(1, SPEC)).wait(timeout=120) == 0
    return store


def test_an_attempt_trains_and_says_how_it_ended(undisturbed: LocalStore, tmp_path: Path) -> None:
    ended = outcome(undisturbed, 1)
    assert ended is not None
    assert ended.status == "succeeded"
    assert ended.final is not None
    assert ended.best is not None
    assert (ended.final.step, ended.final.images) == (STEPS, 360)
    assert ended.final.top1_error < 50
    assert [(point.step, point.images) for point in points(undisturbed, 1)] == [
        (step, 64) for step in range(1, STEPS + 1)
    ]
    assert [point.step for point in points(undisturbed, 1, "val")] == [22, 44, 66, 88]
    for step in {ended.best.step, STEPS}:
        found = checkpoints.read(undisturbed, layout.checkpoint(JOB, 1, step))
        folder = tmp_path / str(step)
        folder.mkdir()
        manifest.fetch(undisturbed, found.prefix, found.manifest, folder)


def test_the_driver_and_each_worker_keep_their_logs(undisturbed: LocalStore) -> None:
    said = {
        rank: [
            LogLine.model_validate(record).message
            for _, records in journal.read(undisturbed, layout.logs(JOB, 1, rank))
            for record in records
        ]
        for rank in ("driver", "0", "1")
    }
    assert any("resnet8 on digits from step 0 of 88; 2 workers" in line for line in said["0"])
    assert any(line.startswith("epoch 4 of 4") for line in said["0"])
    assert "placing 2 workers with 1 CPUs and 0 GPUs each" in said["driver"]


def test_a_run_that_lost_its_driver_and_then_a_worker_ends_with_the_same_bits(
    cluster: Cluster, undisturbed: LocalStore, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)

    first = cluster.driver(store, order(1, SPEC))
    until(lambda: len(kept_steps(store, 1)) > 1, within_s=120)
    workers = cluster.workers()
    assert len(workers) == 2
    first.send_signal(signal.SIGKILL)
    first.wait()
    until(lambda: not any(worker.is_running() for worker in workers), within_s=10)
    assert outcome(store, 1) is None

    second = cluster.driver(store, order(2, SPEC))
    until(lambda: len(kept_steps(store, 2)) > 1, within_s=120)
    cluster.workers()[1].kill()
    second.wait(timeout=60)
    lost = outcome(store, 2)
    assert lost is not None
    assert lost.status == "failed"
    assert lost.reason is not None
    assert lost.reason.code == Code.WORKER_LOST

    assert cluster.driver(store, order(3, SPEC)).wait(timeout=120) == 0
    bounds = [started(store, 2).resumed_step, started(store, 3).resumed_step, STEPS]
    assert 0 < bounds[0] < bounds[1] < STEPS
    joined = [
        point.step
        for number, bound in enumerate(bounds, start=1)
        for point in points(store, number)
        if point.step <= bound
    ]
    assert joined == list(range(1, STEPS + 1))
    assert hashes(store, 3, STEPS) == hashes(undisturbed, 1, STEPS)
