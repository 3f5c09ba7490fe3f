"""Notices on a real Ray of two machines: a worker's SIGTERM, and a machine that is drained."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.training.small_runs import kept_steps, order, points, small_spec
from tests.training.test_run_on_ray import Cluster, outcome
from tests.waiting import until
from trainer.contract.objects.local import LocalStore
from trainer.contract.reasons import Code

pytestmark = pytest.mark.ray

SPEC = small_spec(workers=2, iterations=100_000, input_size=8, checkpoint_every={"steps": 50})
WITHIN_S = 250
"""Seconds for what takes 20 on a machine that does nothing else."""

TWO_MACHINES = """
import sys
from ray.cluster_utils import Cluster
options = dict(num_cpus=1, object_store_memory=10**8)
cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
second = cluster.add_node(**options)
cluster.wait_for_nodes()
print(cluster.gcs_address, second.node_id, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@dataclass(frozen=True)
class TwoMachines(Cluster):
    second: str
    """Node id of the machine that is to go."""

    def drain(self) -> None:
        """Tell Ray that the second machine is about to go."""
        ray = str(Path(sys.executable).with_name("ray"))
        words = ["--address", self.environment["RAY_ADDRESS"], "--node-id", self.second]
        words += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
        words += ["--deadline-remaining-seconds", "300"]
        command = [ray, "drain-node", *words]
        subprocess.run(command, env=self.environment, check=True, timeout=120, capture_output=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoMachines]:
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a socket's path has to be short
    Path(folder, "ray").mkdir()  # where Ray notes its cluster's address before it makes a session
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": folder,
        "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "3",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    head = subprocess.Popen(
        [sys.executable, "-c", TWO_MACHINES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert head.stdout is not None
    try:
        environment["RAY_ADDRESS"], second = head.stdout.readline().split()
        yield TwoMachines(head, environment, second)
    finally:
        children = psutil.Process(head.pid).children(recursive=True)
        head.communicate(timeout=60)
        _, alive = psutil.wait_procs(children, timeout=10)
        for process in alive:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def was_halted(store: LocalStore, who: str) -> None:
    """The attempt ended in order, with a checkpoint of its last step, at no cost."""
    found = outcome(store, 1)
    assert found is not None
    assert found.status == "halted"
    assert found.reason is not None
    assert found.reason.code is Code.PREEMPTED
    assert who in found.reason.message
    steps = [point.step for point in points(store, 1)]
    assert steps == list(range(1, kept_steps(store, 1)[-1] + 1))


def test_a_worker_that_is_told_to_end_lets_the_attempt_keep_a_checkpoint(
    cluster: TwoMachines, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    driver = cluster.driver(store, order(1, SPEC))
    until(lambda: kept_steps(store, 1), within_s=WITHIN_S)
    cluster.workers()[-1].terminate()
    assert driver.wait(timeout=WITHIN_S) == 0
    was_halted(store, "its process")


def test_a_machine_that_is_drained_lets_the_attempt_keep_a_checkpoint(
    cluster: TwoMachines, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path)
    driver = cluster.driver(store, order(1, SPEC))
    until(lambda: kept_steps(store, 1), within_s=WITHIN_S)
    cluster.drain()
    assert driver.wait(timeout=WITHIN_S) == 0
    was_halted(store, "its machine is about to go")
