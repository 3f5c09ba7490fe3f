"""Processes that are the workers of a test, and meet on gloo."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

Work = Callable[[int, Path], None]
"""A function of a module: from the rank and a folder that all share."""


def together(work: Work, folder: Path, world: int) -> None:
    """Returns when `work` is done in each of `world` processes. Raises what the first to fail failed of."""
    spawn(_work, (work, folder, world), world)  # type: ignore[no-untyped-call]


def _work(rank: int, work: Work, folder: Path, world: int) -> None:
    os.environ |= {"GLOO_SOCKET_IFNAME": "lo"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=world)
    work(rank, folder)
    dist.destroy_process_group()
    # By Python's own way out such a process was seen to abort ("terminate called without an active
    # exception"), when all of its work was done.
    os._exit(0)
