"""Brings Ray Train's workers together into torch's process group. `driver` hands it to Ray Train.

Ray's own does the same, and loads torch wherever it is looked at: the driver and Ray Train's controller,
which need none, would take seconds and 200 MB each for it.
"""

import os
from dataclasses import dataclass
from typing import Any

import psutil
import ray
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig


@dataclass
class Rendezvous(BackendConfig):  # type: ignore[misc]  # Ray has no types
    """How the workers talk to one another."""

    backend: str
    """torch.distributed's name of it."""
    timeout_s: int
    """Seconds that a worker waits for the others."""

    @property
    def backend_cls(self) -> type[Backend]:
        return _OnWorkers


class _OnWorkers(Backend):  # type: ignore[misc]  # Ray has no types
    """Called in Ray Train's controller; what it executes runs in each worker's main thread."""

    share_cuda_visible_devices = True
    """NCCL wants every worker to see all of its machine's GPUs that are ours."""

    def on_start(self, worker_group: Any, backend_config: Rendezvous) -> None:
        address, port = worker_group.execute_single(0, get_address_and_port)
        world = len(worker_group)
        url = f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"
        joining = [
            worker_group.execute_single_async(rank, join, backend_config, url, rank, world)
            for rank in range(world)
        ]
        ray.get(joining)

    def on_shutdown(self, worker_group: Any, backend_config: Rendezvous) -> None:
        """Nobody takes leave: a worker that is gone or frozen could not answer, and all of their
        processes end now."""


def join(how: Rendezvous, url: str, rank: int, world: int) -> None:
    """Make this process worker `rank` of `world`; returns when all have come to `url`."""
    from datetime import timedelta

    import torch.distributed as dist

    from trainer.training import interface, notice

    notice.listen()
    interface.choose(ray.util.get_node_ip_address(), psutil.net_if_addrs(), os.environ)
    dist.init_process_group(
        backend=how.backend,
        init_method=url,
        rank=rank,
        world_size=world,
        timeout=timedelta(seconds=how.timeout_s),
    )
